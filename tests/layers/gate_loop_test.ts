import assert from "node:assert/strict";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { openCpu } from "../../src/device/mod.ts";
import { gateLoop } from "../../src/layers/gate_loop.ts";
import { diagonalScan } from "../../src/ops/diagonal_scan.ts";
import { selectiveScan } from "../../src/ops/selective_scan.ts";
import { ssd } from "../../src/ops/ssd.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { distance, filled, run, t } from "../ops/_run.ts";

const cpu = openCpu({ poison: true });
const random = seedRandom(9);
const drawn = (...shape: number[]) => filled(shape, () => nextNormal(random));
const LENGTH = 20;
const HEAD = 3;

/** The same f64 sums in another order, on values near 10. */
const CLOSE = 1e-12;

const [q, k, v, sizes, angles] = Array.from({ length: 5 }, () => drawn(1, LENGTH, HEAD)) as [
  Tensor,
  Tensor,
  Tensor,
  Tensor,
  Tensor,
];
const logSize = (i: number) => -Math.log1p(Math.exp(-sizes.data[i]!));
const logs = filled(
  [1, LENGTH, HEAD, 2],
  (i) => i % 2 === 0 ? logSize(i / 2) : angles.data[(i - 1) / 2]!,
);
const complex = (x: Tensor) => filled([...x.shape, 2], (i) => i % 2 === 0 ? x.data[i / 2]! : 0);
const kv = filled(k.shape, (i) => k.data[i]! * v.data[i]!);

/** q·Re of the scan's states. */
async function scanned(A: Tensor, drive = kv): Promise<Float64Array> {
  const { x } = await run(diagonalScan, { v: complex(drive), A }, { variant: "logs" });
  return Float64Array.from(q.data, (value, i) => value * x!.data[2 * i]!);
}

Deno.test("GateLoop's scan is its recurrence", async () => {
  // h = a·h + k·v with a = σ(size)·exp(i·angle), y = Re(q·h), one feature after another.
  const expected = new Float64Array(LENGTH * HEAD);
  for (let d = 0; d < HEAD; d++) {
    let [re, im] = [0, 0];
    for (let i = 0; i < LENGTH; i++) {
      const at = i * HEAD + d;
      const size = 1 / (1 + Math.exp(-sizes.data[at]!));
      const [ar, ai] = [size * Math.cos(angles.data[at]!), size * Math.sin(angles.data[at]!)];
      [re, im] = [ar * re - ai * im + kv.data[at]!, ar * im + ai * re];
      expected[at] = q.data[at]! * re;
    }
  }
  assert.ok(distance(await scanned(logs), expected) < CLOSE);
});

Deno.test("GateLoop's scan is its surrogate attention", async () => {
  // Y = (Q·Kᵀ ∘ mask ∘ Re Π a)·V: queries times cumulative products, keys by their inverses. The
  // products are taken over s+1..t as sums of logarithms, whose difference does not overflow.
  const expected = new Float64Array(LENGTH * HEAD);
  for (let d = 0; d < HEAD; d++) {
    const size = new Float64Array(LENGTH);
    const angle = new Float64Array(LENGTH);
    for (let i = 0; i < LENGTH; i++) {
      size[i] = (size[i - 1] ?? 0) + logSize(i * HEAD + d);
      angle[i] = (angle[i - 1] ?? 0) + angles.data[i * HEAD + d]!;
    }
    for (let i = 0; i < LENGTH; i++) {
      for (let j = 0; j <= i; j++) {
        const weight = Math.exp(size[i]! - size[j]!) * Math.cos(angle[i]! - angle[j]!);
        const score = q.data[i * HEAD + d]! * k.data[j * HEAD + d]! * weight;
        expected[i * HEAD + d]! += score * v.data[j * HEAD + d]!;
      }
    }
  }
  assert.ok(distance(await scanned(logs), expected) < CLOSE);
});

Deno.test("GateLoop without angles is gated linear attention, which is ssd()", async () => {
  const real = filled(logs.shape, (i) => i % 2 === 0 ? logs.data[i]! : 0);
  const row = [1, LENGTH, HEAD, 1];
  const { y } = await run(ssd, {
    u: t(row, v.data),
    delta: filled([1, LENGTH, HEAD], logSize),
    B: t(row, k.data),
    C: t(row, q.data),
  }, { chunk: 8 });
  assert.ok(distance(await scanned(real), y!.data) < CLOSE);
});

Deno.test("GateLoop with one direction in its logarithms is a complex selective scan", async () => {
  // a[t] = exp(delta[t]·A): a step size from the input moves size and angle together.
  const delta = filled([1, LENGTH, HEAD], (i) => 0.1 + 0.05 * (i % 13));
  const A = t([HEAD, 1, 2], [-0.5, 2, -1, 0.3, -0.1, 4]);
  const bound = filled(logs.shape, (i) => delta.data[Math.floor(i / 2)]! * A.data[i % (2 * HEAD)]!);
  const { y } = await run(selectiveScan, {
    u: filled(v.shape, (i) => kv.data[i]! / delta.data[i]!),
    delta,
    A,
    // One mode for each feature, read by half since the scan takes twice the real part.
    B: filled([HEAD, 1, 2], (i) => 1 - i % 2),
    C: filled([HEAD, 1, 2], (i) => (1 - i % 2) / 2),
  }, { softplus: false, complex: true });
  const read = Float64Array.from(y!.data, (value, i) => value * q.data[i]!);
  assert.ok(distance(await scanned(bound), read) < CLOSE);
  // No such direction: sizes and angles of their own are more than that scan can say.
  assert.ok(distance(await scanned(logs), read) > 0.1);
});

Deno.test("gateLoop is its equations around the scan", () => {
  const params = gateLoop.init({ feature: 2, headSize: 1 }, seedRandom(3));
  const tensors: Record<string, Tensor> = { ...params.tensors, wBias: t([2], [0.4, -1]) };
  const u = drawn(1, LENGTH, 2);
  const inProj = tensors["inProj"]!.data;
  const partAt = (p: number, i: number, d: number) =>
    u.data[2 * i]! * inProj[2 * (2 * p + d)]! + u.data[2 * i + 1]! * inProj[2 * (2 * p + d) + 1]!;
  const y = new Float64Array(2 * LENGTH);
  const gated = new Float64Array(2 * LENGTH);
  for (let d = 0; d < 2; d++) {
    let [re, im] = [0, 0];
    for (let i = 0; i < LENGTH; i++) {
      const [z, value, key, query, g, w] = [0, 1, 2, 3, 4, 5].map((p) => partAt(p, i, d));
      const size = 1 / (1 + Math.exp(-g! - tensors["gBias"]!.data[d]!));
      const angle = w! + tensors["wBias"]!.data[d]!;
      const [ar, ai] = [size * Math.cos(angle), size * Math.sin(angle)];
      [re, im] = [ar * re - ai * im + key! * value!, ar * im + ai * re];
      gated[2 * i + d] = query! * re * z! / (1 + Math.exp(-z!));
    }
  }
  const outProj = tensors["outProj"]!.data;
  for (let i = 0; i < 2 * LENGTH; i++) {
    const [row, d] = [i - i % 2, i % 2];
    y[i] = outProj[2 * d]! * gated[row]! + outProj[2 * d + 1]! * gated[row + 1]!;
  }
  const actual = gateLoop.forward(cpu, { config: params.config, tensors }, u).y;
  assert.ok(distance(cpu.dataOf(actual), y) < CLOSE);
});

Deno.test("gateLoop with heads is attention by cumulative products of its transitions", () => {
  // The surrogate form of a layer with two heads of three features, from its own projections.
  const [feature, size] = [6, 3];
  const params = gateLoop.init({ feature, headSize: size }, seedRandom(3));
  const u = drawn(1, LENGTH, feature);
  const { inProj, outProj, gBias } = params.tensors as Record<string, Tensor>;
  const rowsOf = (x: Float64Array, W: Tensor) =>
    Float64Array.from({ length: LENGTH * W.shape[0]! }, (_, at) => {
      const [i, out] = [Math.floor(at / W.shape[0]!), at % W.shape[0]!];
      let sum = 0;
      for (let d = 0; d < feature; d++) sum += W.data[out * feature + d]! * x[i * feature + d]!;
      return sum;
    });
  const projected = rowsOf(u.data as Float64Array, inProj!);
  const at = (p: number, i: number, d: number) => projected[(i * 6 + p) * feature + d]!;
  const logSizeAt = (i: number, d: number) => -Math.log1p(Math.exp(-at(4, i, d) - gBias!.data[d]!));
  const y = new Float64Array(LENGTH * feature);
  for (let i = 0; i < LENGTH; i++) {
    for (let j = 0; j <= i; j++) {
      for (let d = 0; d < feature; d++) {
        let [log, angle] = [0, 0];
        for (let s = j + 1; s <= i; s++) {
          [log, angle] = [log + logSizeAt(s, d), angle + at(5, s, d)];
        }
        const weight = at(3, i, d) * at(2, j, d) * Math.exp(log) * Math.cos(angle);
        const head = Math.floor(d / size);
        for (let p = 0; p < size; p++) {
          y[i * feature + p * 2 + head]! += weight * at(1, j, head * size + p);
        }
      }
    }
  }
  const gated = y.map((value, n) => {
    const z = at(0, Math.floor(n / feature), n % feature);
    return value * z / (1 + Math.exp(-z));
  });
  const actual = cpu.dataOf(gateLoop.forward(cpu, params, u).y);
  assert.ok(distance(actual, rowsOf(gated, outProj!)) < CLOSE);
});

Deno.test("gateLoop names what is out of range", () => {
  const refused = (change: object, field: string) => {
    const config = { feature: 6, headSize: 2, ...change };
    assert.throws(() => gateLoop.init(config, seedRandom(1)), { field });
  };
  refused({ feature: 0 }, "feature");
  refused({ headSize: 0 }, "headSize");
  refused({ headSize: 4 }, "headSize");
});
