import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Chunk,
  CHUNK_SAMPLES_MAX,
  CHUNK_VALUES_MAX,
  chunkSamplesMax,
  decodeChunk,
  encodeChunk,
} from "../../../src/stores/_helpers/chunk.ts";
import { CorruptChunkError } from "../../../src/stores/store.ts";

/** Columns of every coding: constant, 16-bit, 32-bit, 64-bit, with and without missing values. */
const column = (length: number) =>
  fc.oneof(
    fc.constantFrom(0, -0, 3.7, NaN).map((value) => new Float64Array(length).fill(value)),
    ...[
      fc.integer({ min: -32_768, max: 32_767 }),
      fc.float({ noDefaultInfinity: true }),
      fc.double({ noDefaultInfinity: true }),
      fc.constantFrom(-0, 0, 1, NaN),
    ].map((value) =>
      fc.array(value, { minLength: length, maxLength: length }).map((list) =>
        Float64Array.from(list)
      )
    ),
  );

const steps = (length: number) =>
  fc.oneof(
    fc.bigInt({ min: 0n, max: 10n ** 12n }).map((step) => Array(length).fill(step)),
    fc.array(fc.bigInt({ min: 0n, max: 10n ** 6n }).map((step) => step * 1_000_000n), {
      minLength: length,
      maxLength: length,
    }),
    fc.array(fc.bigInt({ min: 0n, max: 10n ** 16n }), { minLength: length, maxLength: length }),
  );

const chunk: fc.Arbitrary<Chunk> = fc.integer({ min: 1, max: 40 }).chain((length) =>
  fc.record({
    first: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }),
    steps: steps(length),
    values: fc.array(column(length), { maxLength: 4 }),
  }).map(({ first, steps, values }) => {
    const timestampsNs = new BigInt64Array(length);
    timestampsNs[0] = first;
    for (let i = 1; i < length; i++) timestampsNs[i] = timestampsNs[i - 1]! + steps[i]!;
    return { channels: Uint16Array.from(values, (_, c) => c * 300), timestampsNs, values };
  })
);

Deno.test("decodeChunk() gives back every bit that encodeChunk() took", () => {
  fc.assert(fc.property(chunk, (given) => {
    const read = decodeChunk(encodeChunk(given, 7), 7, "here");
    assert.deepEqual(read.timestampsNs, given.timestampsNs);
    // A column without any value is left out.
    const kept = given.values.map((_, c) => c)
      .filter((c) => given.values[c]!.some((value) => !Number.isNaN(value)));
    assert.deepEqual([...read.channels], kept.map((c) => given.channels[c]!));
    assert.deepEqual(read.values, kept.map((c) => given.values[c]!));
  }));
});

Deno.test("encodeChunk() keeps timestamps at both ends of their range", () => {
  const timestampsNs = BigInt64Array.of(-(2n ** 63n) + 1n, 2n ** 63n - 1n);
  const given = { channels: Uint16Array.of(0), timestampsNs, values: [Float64Array.of(1, 2)] };
  assert.deepEqual(decodeChunk(encodeChunk(given, 1), 1, "here").timestampsNs, timestampsNs);
});

Deno.test("decodeChunk() finds every flipped bit and every cut", () => {
  const bytes = encodeChunk({
    channels: Uint16Array.of(0, 1),
    timestampsNs: BigInt64Array.of(1n, 2n, 4n),
    values: [Float64Array.of(1, 2, 3), Float64Array.of(0.1, NaN, 0.3)],
  }, 7);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => decodeChunk(flipped, 7, "here"), CorruptChunkError);
  }
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeChunk(bytes.subarray(0, length), 7, "here"), CorruptChunkError);
  }
});

Deno.test("decodeChunk() refuses a chunk that was moved to another place", () => {
  const bytes = encodeChunk({
    channels: Uint16Array.of(0),
    timestampsNs: BigInt64Array.of(1n),
    values: [Float64Array.of(1)],
  }, 7);
  assert.throws(
    () => decodeChunk(bytes, 8, "stream/in order/0"),
    (error: Error) => error instanceof CorruptChunkError && error.place === "stream/in order/0",
  );
});

Deno.test("encodeChunk() stores regular 16-bit samples in two bytes each", () => {
  const timestampsNs = BigInt64Array.from({ length: 4_096 }, (_, i) => BigInt(i) * 4_000_000n);
  const values = [Float64Array.from({ length: 4_096 }, (_, i) => (i * 37) % 4_001 - 2_000)];
  const bytes = encodeChunk({ channels: Uint16Array.of(0), timestampsNs, values }, 1);
  assert.ok(bytes.length < 4_096 * 2 + 64, `${bytes.length} bytes`);
});

Deno.test("chunkSamplesMax() keeps chunks of wide streams small", () => {
  assert.equal(chunkSamplesMax(1), CHUNK_SAMPLES_MAX);
  assert.equal(chunkSamplesMax(1_024), CHUNK_VALUES_MAX / 1_024);
  assert.equal(chunkSamplesMax(CHUNK_VALUES_MAX * 2), 1);
});
