/**
 * What members of the wider literature are, exactly, in terms of the family's ops: each paper's own
 * equation, written as plain loops, against the configuration that computes it.
 */
import assert from "node:assert/strict";
import { nextNormal, nextUniform, seedRandom } from "../../src/base/random.ts";
import { retentionLogDecays } from "../../src/layers/linear_attention.ts";
import { diagonalScan } from "../../src/ops/diagonal_scan.ts";
import { selectiveScan } from "../../src/ops/selective_scan.ts";
import { ssd } from "../../src/ops/ssd.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { distance, filled, run, t } from "../ops/_run.ts";

const BATCH = 2;
const LENGTH = 23;
const HEAD = 3;
/** Features of a key and of a value. */
const KEY = 4;
const VALUE = 2;

/** The same f64 sums in another order, on values near 10. */
const CLOSE = 1e-12;

const random = seedRandom(31);
const drawn = (...shape: number[]) => filled(shape, () => nextNormal(random));
const q = drawn(BATCH, LENGTH, HEAD, KEY);
const k = drawn(BATCH, LENGTH, HEAD, KEY);
const v = drawn(BATCH, LENGTH, HEAD, VALUE);

/** Where the row of a sample and head begins. */
const rowAt = (b: number, i: number, h: number, size: number) =>
  ((b * LENGTH + i) * HEAD + h) * size;

/**
 * Calls for every batch and head with the matrix of the state, S[value, key], 0 at first, and
 * gathers the outputs S·q of every sample.
 */
function recurrence(
  queries: Tensor,
  values: Tensor,
  update: (S: Float64Array, b: number, i: number, h: number) => void,
): Float64Array {
  const size = values.shape[3]!;
  const y = new Float64Array(values.data.length);
  for (let b = 0; b < BATCH; b++) {
    for (let h = 0; h < HEAD; h++) {
      const S = new Float64Array(size * KEY);
      for (let i = 0; i < LENGTH; i++) {
        update(S, b, i, h);
        for (let p = 0; p < size; p++) {
          for (let n = 0; n < KEY; n++) {
            y[rowAt(b, i, h, size) + p]! += S[p * KEY + n]! *
              queries.data[rowAt(b, i, h, KEY) + n]!;
          }
        }
      }
    }
  }
  return y;
}

/** S ← decay(n)·S + v⊗k. */
function decayed(
  S: Float64Array,
  keys: Tensor,
  values: Tensor,
  at: readonly [b: number, i: number, h: number],
  decay: (n: number) => number,
): void {
  const size = values.shape[3]!;
  for (let p = 0; p < size; p++) {
    for (let n = 0; n < KEY; n++) {
      S[p * KEY + n] = decay(n) * S[p * KEY + n]! +
        values.data[rowAt(...at, size) + p]! * keys.data[rowAt(...at, KEY) + n]!;
    }
  }
}

const noDecay = filled([BATCH, LENGTH, HEAD], () => 0);

Deno.test("linear attention is ssd() without a decay", async () => {
  // Katharopoulos et al., arXiv 2006.16236, section 3.3: every past key weighs by its product alone.
  const expected = new Float64Array(v.data.length);
  for (let b = 0; b < BATCH; b++) {
    for (let h = 0; h < HEAD; h++) {
      for (let i = 0; i < LENGTH; i++) {
        for (let j = 0; j <= i; j++) {
          let score = 0;
          for (let n = 0; n < KEY; n++) {
            score += q.data[rowAt(b, i, h, KEY) + n]! * k.data[rowAt(b, j, h, KEY) + n]!;
          }
          for (let p = 0; p < VALUE; p++) {
            expected[rowAt(b, i, h, VALUE) + p]! += score * v.data[rowAt(b, j, h, VALUE) + p]!;
          }
        }
      }
    }
  }
  for (const chunk of [1, 8, LENGTH]) {
    const { y } = await run(ssd, { u: v, delta: noDecay, B: k, C: q }, { chunk });
    assert.ok(distance(y!.data, expected) < CLOSE, `chunk ${chunk}`);
  }
});

Deno.test("linear attention's normaliser is one more value, always 1", async () => {
  // The same paper: weights phi(q)·phi(k) over their sum, phi(x) = elu(x) + 1.
  const phi = (x: number) => x > 0 ? x + 1 : Math.exp(x);
  const [Q, K] = [q, k].map((x) => t(x.shape, x.data.map(phi))) as [Tensor, Tensor];
  const wide = filled([BATCH, LENGTH, HEAD, VALUE + 1], (i) => {
    const [row, p] = [Math.floor(i / (VALUE + 1)), i % (VALUE + 1)];
    return p < VALUE ? v.data[row * VALUE + p]! : 1;
  });
  const { y } = await run(ssd, { u: wide, delta: noDecay, B: K, C: Q }, { chunk: 8 });
  for (let row = 0; row < BATCH * LENGTH * HEAD; row++) {
    const h = row % HEAD;
    const [b, i] = [Math.floor(row / HEAD / LENGTH), Math.floor(row / HEAD) % LENGTH];
    const sums = new Float64Array(VALUE);
    let total = 0;
    for (let j = 0; j <= i; j++) {
      let weight = 0;
      for (let n = 0; n < KEY; n++) {
        weight += Q.data[row * KEY + n]! * K.data[rowAt(b, j, h, KEY) + n]!;
      }
      total += weight;
      for (let p = 0; p < VALUE; p++) {
        sums[p]! += weight * v.data[rowAt(b, j, h, VALUE) + p]!;
      }
    }
    const last = y!.data[row * (VALUE + 1) + VALUE]!;
    for (let p = 0; p < VALUE; p++) {
      const ours = y!.data[row * (VALUE + 1) + p]! / last;
      assert.ok(Math.abs(ours - sums[p]! / total) < CLOSE, `row ${row}`);
    }
  }
});

/** θ of a pair of key features (RetNet, section 2.2, and RoFormer). */
const angleOf = (pair: number) => 10_000 ** (-2 * pair / KEY);

/** Rows turned by their own positions. */
function turned(rows: Tensor): Tensor {
  return filled(rows.shape, (at) => {
    const i = Math.floor(at / HEAD / KEY) % LENGTH;
    const angle = i * angleOf(Math.floor(at % KEY / 2));
    const other = rows.data[at ^ 1]!;
    return rows.data[at]! * Math.cos(angle) + (at % 2 === 0 ? -1 : 1) * other * Math.sin(angle);
  });
}

/** RetNet's parallel form (arXiv 2307.08621, eq. 5): (Q·Kᵀ ∘ D)·V with D = γ^(i−j). */
function retention(queries: Tensor, keys: Tensor, gammas: ArrayLike<number>): Float64Array {
  return recurrence(queries, v, (S, b, i, h) => decayed(S, keys, v, [b, i, h], () => gammas[h]!));
}

Deno.test("retention is ssd() with a fixed decay for each head", async () => {
  const logs = retentionLogDecays(HEAD);
  assert.deepEqual([...logs].map(Math.exp).map((x) => Math.round(x * 128)), [124, 126, 127]);
  const delta = filled([BATCH, LENGTH, HEAD], (i) => logs[i % HEAD]!);
  const [Q, K] = [turned(q), turned(k)];
  const expected = retention(Q, K, logs.map(Math.exp));
  const { y } = await run(ssd, { u: v, delta, B: K, C: Q }, { chunk: 8 });
  assert.ok(distance(y!.data, expected) < CLOSE);
});

Deno.test("retention's turned keys are a complex diagonal state", async () => {
  // ⟨R(i)q, R(j)k⟩ = Re(q·conj(k)·exp(iθ(i − j))): one complex mode for a pair of key features.
  const logs = retentionLogDecays(HEAD);
  const expected = retention(turned(q), turned(k), logs.map(Math.exp));
  const pairs = KEY / 2;
  const A = filled([HEAD * VALUE, pairs, 2], (at) => {
    const h = Math.floor(at / VALUE / KEY);
    return at % 2 === 0 ? logs[h]! : angleOf(Math.floor(at % KEY / 2));
  });
  const rows = [BATCH, LENGTH, HEAD * VALUE];
  const modes = [BATCH, LENGTH, HEAD, pairs, 2];
  const { y } = await run(selectiveScan, {
    u: t(rows, v.data),
    delta: filled(rows, () => 1),
    A,
    B: filled(modes, (at) => (at % 2 === 0 ? 1 : -1) * k.data[at]!),
    C: filled(modes, (at) => q.data[at]! / 2),
  }, { softplus: false, complex: true });
  assert.ok(distance(y!.data, expected) < CLOSE);
});

/** Gates in (0, 1), one for each sample, head and key feature. */
const gates = filled([BATCH, LENGTH, HEAD, KEY], () => 0.5 + 0.49 * nextUniform(random));

Deno.test("gated linear attention with a gate for each head is ssd()", async () => {
  // Yang et al., arXiv 2312.06635, section 4, with one scalar gate: S ← α·S + kᵀv.
  const gateOf = (b: number, i: number, h: number) => gates.data[rowAt(b, i, h, KEY)]!;
  const expected = recurrence(
    q,
    v,
    (S, b, i, h) => decayed(S, k, v, [b, i, h], () => gateOf(b, i, h)),
  );
  const delta = filled([BATCH, LENGTH, HEAD], (i) => Math.log(gates.data[i * KEY]!));
  const { y } = await run(ssd, { u: v, delta, B: k, C: q }, { chunk: 8 });
  assert.ok(distance(y!.data, expected) < CLOSE);
});

Deno.test("gated linear attention with a gate for each key feature is a diagonal scan", async () => {
  // The same paper: S ← (αᵀ·1) ∘ S + kᵀv. Its state decays entry by entry, by what depends on
  // the sample: a diagonal scan with lambda = −1 and dt = −log α, whose held drive weighs 1 − α.
  const expected = recurrence(
    q,
    v,
    (S, b, i, h) => decayed(S, k, v, [b, i, h], (n) => gates.data[rowAt(b, i, h, KEY) + n]!),
  );
  const states = HEAD * VALUE * KEY;
  /** Batch and sample, head, value and key feature of an entry of the states. */
  const partsOf = (at: number) => {
    const [row, entry] = [Math.floor(at / states), at % states];
    const h = Math.floor(entry / VALUE / KEY);
    return { row: row * HEAD + h, p: Math.floor(entry / KEY) % VALUE, n: entry % KEY };
  };
  const gateAt = (at: number) => {
    const { row, n } = partsOf(at);
    return gates.data[row * KEY + n]!;
  };
  const { x } = await run(diagonalScan, {
    v: filled([BATCH, LENGTH, states, 2], (at) => {
      if (at % 2 === 1) return 0;
      const { row, p, n } = partsOf(at / 2);
      return v.data[row * VALUE + p]! * k.data[row * KEY + n]! / (1 - gateAt(at / 2));
    }),
    A: filled([states, 2], (at) => at % 2 === 0 ? -1 : 0),
    dt: filled([BATCH, LENGTH, states], (at) => -Math.log(gateAt(at))),
  }, { variant: "perStep" });
  const y = new Float64Array(v.data.length);
  for (let at = 0; at < BATCH * LENGTH * states; at++) {
    const { row, p, n } = partsOf(at);
    y[row * VALUE + p]! += x!.data[2 * at]! * q.data[row * KEY + n]!;
  }
  assert.ok(distance(y, expected) < CLOSE);
  // No decay that is one number a head gives the same: the two agree only where gates are equal.
  const delta = filled([BATCH, LENGTH, HEAD], (i) => Math.log(gates.data[i * KEY]!));
  const scalar = await run(ssd, { u: v, delta, B: k, C: q }, { chunk: 8 });
  assert.ok(distance(scalar.y!.data, expected) > 0.1);
});

Deno.test("Mamba-2's step size is a gate and a weight of the input at once", async () => {
  // With A, ssd() is gated linear attention with α = exp(delta·A) and values delta·u.
  const delta = filled([BATCH, LENGTH, HEAD], (i) => 0.1 + 0.02 * (i % 17));
  const A = t([HEAD], [-0.5, -1, -2]);
  const mamba2 = await run(ssd, { u: v, delta, A, B: k, C: q }, { chunk: 8 });
  const gated = await run(ssd, {
    u: filled(v.shape, (at) => delta.data[Math.floor(at / VALUE)]! * v.data[at]!),
    delta: filled(delta.shape, (at) => delta.data[at]! * A.data[at % HEAD]!),
    B: k,
    C: q,
  }, { chunk: 8 });
  assert.ok(distance(mamba2.y!.data, gated.y!.data) < CLOSE);
});
