import assert from "node:assert/strict";
import fc from "fast-check";
import { nextNormal, nextUniform, seedRandom } from "../../src/base/random.ts";
import {
  decayMask,
  maskedAttentionInto,
  SSD_QUADRATIC_LENGTH_MAX,
  ssdChunkedInto,
  type SsdInputs,
  type SsdOutputs,
  ssdQuadraticInto,
  ssdRecurrenceInto,
  type SsdSizes,
} from "../../src/ssm/ssd.ts";

/** Some hundred roundings on values near 10. */
const CLOSE = 1e-12;

function drawn(sizes: SsdSizes, seed: number, isDiscrete: boolean, isCarried: boolean): SsdInputs {
  const random = seedRandom(seed);
  const { batch, length, head, feature, group, state } = sizes;
  const normal = (count: number) => Float64Array.from({ length: count }, () => nextNormal(random));
  const uniform = (count: number, low: number, high: number) =>
    Float64Array.from({ length: count }, () => low + (high - low) * nextUniform(random));
  const steps = batch * length * head;
  return {
    u: normal(steps * feature),
    delta: isDiscrete ? uniform(steps, -0.8, 0) : uniform(steps, 0.01, 0.5),
    B: normal(batch * length * group * state),
    C: normal(batch * length * group * state),
    ...(!isDiscrete && { A: uniform(head, -3, -0.2), D: normal(head) }),
    ...(isCarried && { x0: normal(batch * head * feature * state) }),
  };
}

type Form = (outputs: SsdOutputs, inputs: SsdInputs, sizes: SsdSizes) => void;

function run(form: Form, inputs: SsdInputs, sizes: SsdSizes): SsdOutputs {
  const { batch, head, feature, state } = sizes;
  const outputs = {
    y: new Float64Array(inputs.u.length).fill(NaN),
    state: new Float64Array(batch * head * feature * state).fill(NaN),
  };
  form(outputs, inputs, sizes);
  return outputs;
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    assert.ok(difference <= CLOSE, `${what}: off by ${difference} at ${i}`);
  }
}

const size = (most: number) => fc.integer({ min: 1, max: most });

Deno.test("ssdRecurrenceInto(), ssdChunkedInto() and ssdQuadraticInto() are one function", () => {
  const drawing = fc.record({
    batch: size(2),
    length: size(40),
    perGroup: size(3),
    group: size(2),
    feature: size(4),
    state: size(5),
    chunk: size(50),
    seed: size(1000),
    isDiscrete: fc.boolean(),
    isCarried: fc.boolean(),
  });
  fc.assert(
    fc.property(drawing, ({ perGroup, chunk, seed, isDiscrete, isCarried, ...rest }) => {
      const sizes = { ...rest, head: perGroup * rest.group };
      const inputs = drawn(sizes, seed, isDiscrete, isCarried);
      const expected = run(ssdRecurrenceInto, inputs, sizes);
      const chunked: Form = (...given) => ssdChunkedInto(...given, chunk);
      for (const form of [chunked, ssdQuadraticInto]) {
        const { y, state } = run(form, inputs, sizes);
        assertClose(y, expected.y, "y");
        assertClose(state, expected.state, "state");
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("ssdQuadraticInto() from a state goes on where the recurrence stopped", () => {
  const sizes = { batch: 1, length: 24, head: 2, feature: 3, group: 1, state: 4 };
  const inputs = drawn(sizes, 5, false, true);
  const whole = run(ssdRecurrenceInto, inputs, sizes);
  const cut = (from: number, to: number, x0: SsdInputs["x0"]): SsdInputs => ({
    ...inputs,
    u: inputs.u.slice(from * 6, to * 6),
    delta: inputs.delta.slice(from * 2, to * 2),
    B: inputs.B.slice(from * 4, to * 4),
    C: inputs.C.slice(from * 4, to * 4),
    x0,
  });
  const first = run(ssdQuadraticInto, cut(0, 10, inputs.x0), { ...sizes, length: 10 });
  const rest = run(ssdQuadraticInto, cut(10, 24, first.state), { ...sizes, length: 14 });
  assertClose(rest.y, whole.y.slice(10 * 6), "y");
  assertClose(rest.state, whole.state, "state");
});

/** Rank by elimination with full pivoting; what is left below 1e-9 of values near 1 is rounding. */
function rankOf(matrix: number[][]): number {
  const rows = matrix.map((row) => [...row]);
  let rank = 0;
  while (rank < rows.length && rank < rows[0]!.length) {
    let best = { row: rank, column: rank, value: 0 };
    for (let row = rank; row < rows.length; row++) {
      for (let column = rank; column < rows[0]!.length; column++) {
        const value = Math.abs(rows[row]![column]!);
        if (value > best.value) best = { row, column, value };
      }
    }
    if (best.value < 1e-9) break;
    [rows[rank], rows[best.row]] = [rows[best.row]!, rows[rank]!];
    for (const row of rows) [row[rank], row[best.column]] = [row[best.column]!, row[rank]!];
    for (let row = rank + 1; row < rows.length; row++) {
      const factor = rows[row]![rank]! / rows[rank]![rank]!;
      for (let column = rank; column < rows[0]!.length; column++) {
        rows[row]![column]! -= factor * rows[rank]![column]!;
      }
    }
    rank++;
  }
  return rank;
}

Deno.test("decayMask() gives the sums from j to i, without a quotient of exponentials", () => {
  const mask = decayMask(Float64Array.of(-1, -2, -800, -3));
  const expected = [
    ...[1, 0, 0, 0],
    ...[Math.exp(-2), 1, 0, 0],
    ...[Math.exp(-802), Math.exp(-800), 1, 0],
    ...[Math.exp(-805), Math.exp(-803), Math.exp(-3), 1],
  ];
  assert.deepEqual([...mask], expected);
});

Deno.test("decayMask() is semiseparable: no block below the diagonal has a rank above 1", () => {
  const random = seedRandom(3);
  const length = 12;
  const mask = decayMask(Float64Array.from({ length }, () => -nextUniform(random)));
  for (let cut = 1; cut < length; cut++) {
    const block = Array.from(
      { length: length - cut },
      (_, i) => [...mask.subarray((cut + i) * length, (cut + i) * length + cut)],
    );
    assert.equal(rankOf(block), 1, `rows from ${cut} on`);
  }
});

Deno.test("maskedAttentionInto() with decays is semiseparable of the state's order", () => {
  const random = seedRandom(4);
  const [length, state] = [14, 3];
  const normal = (count: number) => Float64Array.from({ length: count }, () => nextNormal(random));
  const mask = decayMask(Float64Array.from({ length }, () => -0.3 * nextUniform(random)));
  const [q, k] = [normal(length * state), normal(length * state)];
  // With unit vectors for values the output is the matrix itself.
  const v = Float64Array.from(
    { length: length * length },
    (_, i) => i % (length + 1) === 0 ? 1 : 0,
  );
  const matrix = new Float64Array(length * length);
  maskedAttentionInto(matrix, { q, k, v, mask }, { length, state, feature: length });
  for (let cut = 1; cut < length; cut++) {
    const block = Array.from(
      { length: length - cut },
      (_, i) => [...matrix.subarray((cut + i) * length, (cut + i) * length + cut)],
    );
    assert.equal(rankOf(block), Math.min(state, cut, length - cut), `rows from ${cut} on`);
  }
});

Deno.test("ssdQuadraticInto() refuses a length whose mask would not fit", () => {
  const length = SSD_QUADRATIC_LENGTH_MAX + 1;
  const sizes = { batch: 1, length, head: 1, feature: 1, group: 1, state: 1 };
  assert.throws(() => run(ssdQuadraticInto, drawn(sizes, 1, true, false), sizes), {
    name: "LimitError",
    limitName: "ssdQuadraticLengthMax",
  });
});
