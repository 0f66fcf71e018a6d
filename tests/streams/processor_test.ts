import assert from "node:assert/strict";
import fc from "fast-check";
import { InvalidValueError, LimitError } from "../../src/base/errors.ts";
import { concatSegments, type Segment, sliceSegment } from "../../src/signal/segment.ts";
import { DEFAULT_SETTINGS, type FlagSettings, mergeSettings } from "../../src/stores/store.ts";
import { StreamProcessor } from "../../src/streams/processor.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import { multiscale } from "../../src/detectors/multiscale.ts";
import { lastValue, spikes, walk } from "./_parts.ts";
import type { Model } from "../../src/models/model.ts";
import type { Detector } from "../../src/detectors/detector.ts";

function fresh(streamId = "s"): StreamProcessor {
  return new StreamProcessor({
    streamId,
    settings: DEFAULT_SETTINGS,
    model: lastValue as unknown as Model,
    detector: spikes as unknown as Detector,
  });
}

/** The segment in pieces that each name only the channels with a value in them. */
function cut(segment: Segment, ends: readonly number[]): Segment[] {
  const pieces: Segment[] = [];
  let start = 0;
  for (const end of [...ends, segment.timestampsNs.length]) {
    if (end <= start) continue;
    const piece = sliceSegment(segment, start, end);
    const kept = piece.channels.map((_, c) => c)
      .filter((c) => piece.values[c]!.some((value) => !Number.isNaN(value)));
    pieces.push({
      ...piece,
      channels: kept.map((c) => piece.channels[c]!),
      values: kept.map((c) => piece.values[c]!),
    });
    start = end;
  }
  return pieces;
}

Deno.test("StreamProcessor state depends on the samples, not on how they are cut", () => {
  const segment = walk("s", 60, ["b", "a", "late"]);
  // One channel begins late, so that pieces differ in their channels.
  segment.values[2]!.fill(NaN, 0, 25);
  const whole = fresh();
  const told = whole.absorb(segment);
  const stateHash = whole.snapshot().stateHash;
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 59 }), { maxLength: 8 }), (ends) => {
      const processor = fresh();
      const parts = cut(segment, ends.sort((a, b) => a - b)).map((piece) =>
        processor.absorb(piece)
      );
      assert.equal(processor.snapshot().stateHash, stateHash);
      assert.deepEqual(parts.flatMap((part) => [...part.score]), [...told.score]);
      assert.deepEqual(parts.flatMap((part) => part.opened), told.opened);
    }),
    { numRuns: 50 },
  );
});

Deno.test("StreamProcessor goes on from a snapshot bit for bit", () => {
  const segment = walk("s", 40, ["a", "b"]);
  const whole = fresh();
  whole.absorb(segment);
  const first = fresh();
  first.absorb(sliceSegment(segment, 0, 17));
  const second = fresh();
  second.restore(first.snapshot());
  assert.equal(second.appliedOffset, 17);
  second.absorb(sliceSegment(segment, 17, 40));
  assert.deepEqual(second.snapshot(), whole.snapshot());
});

Deno.test("StreamProcessor gives its packed state away and can still prove it", () => {
  const processor = fresh();
  processor.absorb(walk("s", 20, ["a"]));
  const { bytes, stateHash } = processor.snapshot();
  const size = bytes.length;
  // As a message to another thread does.
  structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
  assert.deepEqual(
    [processor.describe().stateHash, processor.describe().stateBytes],
    [stateHash, size],
  );
  assert.equal(processor.snapshot().bytes.length, size);
});

Deno.test("StreamProcessor starts each channel at its first value", () => {
  const processor = fresh();
  const a = walk("s", 10, ["a"]);
  const b = { ...walk("s", 10, ["b"]) };
  b.values[0]!.fill(NaN, 0, 4);
  processor.absorb(
    concatSegments([{ ...a, channels: ["a", "b"], values: [...a.values, ...b.values] }]),
  );
  const state = processor.describe();
  assert.deepEqual(Object.keys(state.perChannel), ["a", "b"]);
  assert.equal(state.perChannel.a!.coverage[0]!.count, 10);
  const firstOfB = b.values[0]!.findIndex((value) => !Number.isNaN(value));
  assert.equal(state.perChannel.b!.coverage[0]!.count, 10 - firstOfB);
  // The stream's share is the mean weighted by count.
  assert.equal(state.coverage[0]!.count, 20 - firstOfB);
});

Deno.test("StreamProcessor names the channels that stand out of an alarm", () => {
  const processor = fresh();
  const segment = walk("s", 20, ["a", "b", "c"]);
  segment.values[1]![15] = 5_000;
  segment.values[0]![14] = 1;
  segment.values[0]![15] = 1;
  segment.values[2]![14] = 3;
  segment.values[2]![15] = 3;
  const { opened } = processor.absorb(segment);
  assert.equal(opened.length, 1);
  assert.deepEqual(opened[0]!.channels, ["b"]);
  assert.deepEqual(opened[0]!.value, [5_000]);
  assert.equal(opened[0]!.timestampNs, 15_000_000_000n);
});

Deno.test("StreamProcessor forecasts a horizon or given times, with provenance", () => {
  const processor = fresh();
  processor.absorb(walk("s", 10, ["a", "b"]));
  const quantiles = Float64Array.from([0.1, 0.5, 0.9]);
  const byHorizon = processor.forecast({ horizon: 3, quantiles });
  assert.deepEqual([...byHorizon.timesNs], [10_000_000_000n, 11_000_000_000n, 12_000_000_000n]);
  assert.deepEqual(Object.keys(byHorizon.values), ["a", "b"]);
  assert.equal(byHorizon.values.a!.length, 9);
  assert.equal(byHorizon.originNs, 9_000_000_000n);
  assert.equal(byHorizon.stateHash, processor.snapshot().stateHash);
  assert.equal(byHorizon.appliedOffset, 10);
  const timesNs = BigInt64Array.of(9_500_000_000n);
  const byTimes = processor.forecast({ timesNs, quantiles, channels: ["b"] });
  assert.deepEqual(Object.keys(byTimes.values), ["b"]);
  assert.equal(byTimes.values.b!.length, 3);
  assert.equal(processor.forecast({ quantiles }).timesNs.length, DEFAULT_SETTINGS.horizon);
});

const refused = (field: string) => (error: Error) =>
  (error instanceof InvalidValueError || error instanceof LimitError) && error.field === field;

Deno.test("StreamProcessor refuses what cannot be forecast, by field", () => {
  const processor = fresh();
  const quantiles = Float64Array.from([0.5]);
  assert.throws(() => processor.forecast({ horizon: 1, quantiles }), refused("stream"));
  processor.absorb(walk("s", 1, ["a"]));
  assert.throws(() => processor.forecast({ horizon: 1, quantiles }), refused("horizon"));
  processor.absorb(sliceSegment(walk("s", 3, ["a"]), 1, 3));
  assert.throws(() => processor.forecast({ horizon: 0, quantiles }), refused("horizon"));
  assert.throws(() => processor.forecast({ horizon: 10_001, quantiles }), refused("horizon"));
  const past = BigInt64Array.of(2_000_000_000n);
  assert.throws(() => processor.forecast({ timesNs: past, quantiles }), refused("times[0]"));
  const tangled = BigInt64Array.of(4_000_000_000n, 3_000_000_000n);
  assert.throws(() => processor.forecast({ timesNs: tangled, quantiles }), refused("times[1]"));
  const timesNs = BigInt64Array.of(4_000_000_000n);
  for (
    const [list, field] of [[[], "quantiles"], [[1], "quantiles[0]"], [[0.5, 0.5], "quantiles[1]"]]
  ) {
    const wrong = Float64Array.from(list as number[]);
    assert.throws(
      () => processor.forecast({ timesNs, quantiles: wrong }),
      refused(field as string),
    );
  }
  assert.throws(
    () => processor.forecast({ timesNs, quantiles, channels: ["nobody"] }),
    refused("channel"),
  );
});

Deno.test("StreamProcessor keeps apart what settings make different", () => {
  const hash = (change: Partial<typeof DEFAULT_SETTINGS>) =>
    new StreamProcessor({
      streamId: "s",
      settings: { ...DEFAULT_SETTINGS, ...change },
      model: lastValue as unknown as Model,
      detector: null,
    }).modelHash;
  const changes: Partial<typeof DEFAULT_SETTINGS>[] = [
    {},
    { horizon: 7 },
    { seasonsS: [60] },
    { channels: { a: { lower: 0 } } },
    { channels: { a: { upper: 0 } } },
  ];
  assert.equal(new Set(changes.map(hash)).size, changes.length);
  assert.equal(hash({ labels: { site: "x" } }), hash({}));
  assert.notEqual(hash({}), fresh().modelHash);
});

Deno.test("StreamProcessor takes its past apart, with gaps filled at its period", () => {
  const processor = fresh();
  const samples = {
    streamId: "s",
    channels: ["a"],
    timestampsNs: BigInt64Array.of(0n, 1_000_000_000n, 4_000_000_000n, 5_000_000_000n),
    values: [Float64Array.of(1, 2, NaN, 3)],
  };
  processor.absorb(samples);
  const before = processor.snapshot().stateHash;
  const { timesNs, values, parts, stateHash } = processor.components(samples);
  assert.equal(timesNs.length, 6);
  assert.deepEqual([...values], [1, 2, NaN, NaN, NaN, 3]);
  assert.deepEqual([...parts.signal], [1, 2, 7, 7, 7, 3]);
  assert.equal(stateHash, before);
  assert.equal(processor.snapshot().stateHash, before);
  const few = { ...samples, timestampsNs: samples.timestampsNs.slice(0, 2) };
  assert.throws(
    () => processor.components({ ...few, values: [Float64Array.of(1, 2)] }),
    InvalidValueError,
  );
  assert.throws(() => processor.components({ ...samples, channels: ["z"] }), refused("channel"));
});

Deno.test("StreamProcessor tells alarms as the stream's settings say, and when they end", () => {
  const segment = walk("s", 1500, ["a"]);
  segment.values[0]![1000] = 5000;
  const run = (flags: FlagSettings) => {
    const processor = new StreamProcessor({
      streamId: "s",
      settings: mergeSettings(DEFAULT_SETTINGS, { flags }),
      model: lastValue as unknown as Model,
      detector: multiscale as unknown as Detector,
    });
    return processor.absorb(segment);
  };
  const { opened, ended } = run({});
  const alarm = opened.find(({ timestampNs }) => timestampNs === segment.timestampsNs[1000]);
  assert.deepEqual([alarm!.reason, alarm!.channels, alarm!.value], ["spike", ["a"], [5000]]);
  assert.ok(alarm!.p! <= 1e-4);
  const end = ended.find(({ number }) => number === alarm!.number)!;
  assert.deepEqual([end.openedNs, end.peakNs], [alarm!.timestampNs, alarm!.timestampNs]);
  assert.ok(end.endedNs > end.openedNs);
  assert.deepEqual(run({ effectMin: 1e6 }).opened, []);
  assert.ok(run({ falseAlarmRate: 0.05 }).opened.length > opened.length);
});

Deno.test("StreamProcessor learns from feedback: what was fine is told no more, but scored", () => {
  const spikeAt = [1500, 2000, 2500];
  const random = seedRandom(3);
  const timestampsNs = BigInt64Array.from({ length: 3000 }, (_, i) => BigInt(i) * 60_000_000_000n);
  const values = Float64Array.from(
    { length: 3000 },
    (_, i) => nextNormal(random) + (spikeAt.includes(i) ? 25 : 0),
  );
  const segment: Segment = { streamId: "s", channels: ["a"], timestampsNs, values: [values] };
  /** Alarms and scores after the first spike, of which something was said. */
  const after = (said: readonly boolean[]) => {
    const processor = new StreamProcessor({
      streamId: "s",
      settings: mergeSettings(DEFAULT_SETTINGS, { flags: { repeats: "tell" } }),
      model: lastValue as unknown as Model,
      detector: multiscale as unknown as Detector,
    });
    const { opened } = processor.absorb(sliceSegment(segment, 0, 1600));
    const first = opened.find(({ timestampNs }) => timestampNs === timestampsNs[1500])!;
    for (const isFine of said) processor.takeFeedback({ number: first.number!, isFine });
    const rest = processor.absorb(sliceSegment(segment, 1600, 3000));
    const at = rest.opened.map(({ timestampNs }) => Number(timestampNs / 60_000_000_000n));
    return { at: at.filter((index) => spikeAt.includes(index)), score: rest.score };
  };
  const [silent, fine, takenBack] = [after([]), after([true]), after([true, false])];
  assert.deepEqual(silent.at, [2000, 2500]);
  assert.deepEqual(fine.at, []);
  assert.deepEqual(takenBack.at, [2000, 2500]);
  assert.deepEqual(fine.score, silent.score);
});

Deno.test("StreamProcessor summarizes and forecasts without packing its state", () => {
  const processor = fresh();
  processor.absorb(walk("s", 30, ["a"]));
  const { stateHash: proof, ...proved } = processor.forecast({ quantiles: Float64Array.of(0.5) });
  const request = { quantiles: Float64Array.of(0.5), isUnproved: true };
  const { stateHash, ...rest } = processor.forecast(request);
  assert.deepEqual(rest, proved);
  assert.deepEqual([stateHash, proof.length], ["", 64]);
  const { periodS, seasonsS, coverage, perChannel } = processor.describe();
  assert.deepEqual(processor.summarize(), { periodS, seasonsS, coverage, perChannel });
});
