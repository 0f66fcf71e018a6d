import assert from "node:assert/strict";
import { DEFAULT_SETTINGS, type StreamRecord } from "../../src/stores/store.ts";
import { KeptPaces, Pace } from "../../src/streams/pace.ts";

const record = (id: string, more: Partial<StreamRecord> = {}): StreamRecord => ({
  ...{ id, createdNs: 1n, settings: DEFAULT_SETTINGS, channels: [], logOffset: 0 },
  ...{ inOrderCount: 0, firstNs: null, lastNs: null },
  ...more,
});

Deno.test("Pace expects samples by their own times until it has seen a pause", () => {
  const hourly = new Pace(
    record("s", { inOrderCount: 3, firstNs: 0n, lastNs: 7_200_000_000_000n }),
  );
  hourly.noteArrival(1_000);
  assert.equal(hourly.idleMs(1_000), 3_600_000);
  assert.equal(hourly.idleMs(601_000), 3_000_000);
  hourly.noteArrival(61_000);
  assert.equal(hourly.idleMs(61_000), 60_000, "fed each minute, an hour's sample at a time");
  assert.equal(hourly.idleMs(121_000), 0, "due");
  assert.equal(hourly.idleMs(421_000), 300_000, "overdue for as long");
});

Deno.test("Pace follows a stream that comes faster, and takes pieces for one arrival", () => {
  const pace = new Pace(record("s"));
  for (const ms of [0, 60_000, 60_002]) pace.noteArrival(ms);
  assert.equal(pace.idleMs(60_002), 45_000);
  for (let i = 1; i <= 30; i++) pace.noteArrival(60_002 + 100 * i);
  assert.equal(pace.idleMs(63_002), 100);
  pace.noteQuestion(63_000);
  assert.equal(pace.idleMs(63_002), 2);
});

Deno.test("KeptPaces gives back what it kept, of the newest so many and of the same stream", () => {
  const kept = new KeptPaces(2);
  const paces = ["a", "b", "c"].map((id) => {
    const pace = new Pace(record(id));
    kept.keep(record(id), pace);
    return pace;
  });
  assert.notEqual(kept.take(record("a")), paces[0], "beyond the limit the oldest is forgotten");
  assert.equal(kept.take(record("b")), paces[1]);
  assert.notEqual(kept.take(record("b")), paces[1], "taken once");
  assert.notEqual(kept.take(record("c", { createdNs: 2n })), paces[2], "another of that name");
});
