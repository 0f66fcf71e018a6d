import assert from "node:assert/strict";
import { DEFAULT_SETTINGS } from "../../src/stores/store.ts";
import { DETECT_PART_VALUES, detectInParts } from "../../src/streams/detect_once.ts";
import { Shard } from "../../src/streams/shard.ts";
import { LocalShardPort, type ShardMethod } from "../../src/streams/shard_port.ts";
import { POISON, testParts, walk } from "./_parts.ts";

/** Counts the calls and lets the caller step in between. */
class WatchedPort extends LocalShardPort {
  calls = 0;

  override call<T>(method: ShardMethod, argument: unknown): Promise<T> {
    this.calls++;
    return super.call(method, argument);
  }
}

Deno.test("detectInParts() tells the same as one part, and leaves turns to others", async () => {
  const length = DETECT_PART_VALUES + 10;
  const segment = walk("s", length, ["a", "b"]);
  segment.values[0]![30] = 4_000;
  segment.values[1]![length - 1] = 4_000;
  const port = new WatchedPort(testParts);
  const [found, again] = await Promise.all(
    [0, 1].map((key) => detectInParts(port, { segment, settings: {}, key })),
  );
  assert.equal(port.calls, 2 * 3);
  const whole = new Shard(testParts).detectOnce({
    ...{ segment, settings: {}, key: 0 },
    ...{ isFirst: true, isLast: true },
  });
  assert.deepEqual(found, { segment, ...whole });
  assert.deepEqual(again, found);
  assert.deepEqual(
    found!.alarms.map(({ timestampNs }) => timestampNs),
    [segment.timestampsNs[30], segment.timestampsNs[length - 1]],
  );
});

Deno.test("detectInParts() ends with what the model throws, and nothing is left open", async () => {
  const segment = walk("s", DETECT_PART_VALUES + 1, ["a"]);
  segment.values[0]![DETECT_PART_VALUES] = POISON;
  const port = new LocalShardPort(testParts);
  await assert.rejects(detectInParts(port, { segment, settings: {}, key: 7 }), /poisoned/);
  const rest = { segment, settings: DEFAULT_SETTINGS, key: 7, isFirst: false, isLast: true };
  await assert.rejects(port.call("detectOnce", rest), /is not open/);
});
