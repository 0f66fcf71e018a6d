import assert from "node:assert/strict";
import {
  packResult,
  SETTINGS_KEPT_MAX,
  unpackResult,
} from "../../../src/stores/_helpers/sent_result.ts";
import { type AppendResult, DEFAULT_SETTINGS, mergeSettings } from "../../../src/stores/store.ts";
import { points } from "../_stores.ts";

const segment = points("a", [[1, 1], [2, 2]]);

const result: AppendResult = {
  streamId: "a",
  created: true,
  accepted: 2,
  duplicates: 1,
  late: 3,
  rejected: 4,
  conflicts: [{ timestampNs: 1n, channel: "value", stored: 1, given: 2 }],
  logOffset: 5,
  inOrder: segment,
  inOrderStart: 6,
  record: {
    id: "a",
    createdNs: 7n,
    settings: mergeSettings(DEFAULT_SETTINGS, { horizon: 8, labels: { room: "two" } }),
    channels: ["value"],
    logOffset: 5,
    inOrderCount: 9,
    firstNs: 1n,
    lastNs: null,
  },
  replayed: false,
};

Deno.test("unpackResult() gives back what packResult() took", () => {
  const others: AppendResult[] = [
    result,
    { ...result, conflicts: [], created: false, replayed: true },
    { ...result, inOrder: null },
    { ...result, inOrder: points("a", [[2, 2]]) },
  ];
  for (const given of others) {
    const sent = structuredClone(packResult(given, segment));
    const got = unpackResult(sent, segment);
    assert.deepEqual(got, given);
    // What the other side has does not travel.
    assert.equal(got.inOrder === segment, given.inOrder === segment);
  }
});

Deno.test("unpackResult() reads settings anew that SETTINGS_KEPT_MAX others came after", () => {
  const sentOf = (horizon: number) => {
    const settings = mergeSettings(DEFAULT_SETTINGS, { horizon });
    return packResult({ ...result, record: { ...result.record, settings } }, segment);
  };
  const settingsOf = (horizon: number) => unpackResult(sentOf(horizon), segment).record.settings;
  const first = settingsOf(1);
  assert.equal(settingsOf(1), first);
  for (let i = 0; i < SETTINGS_KEPT_MAX; i++) {
    unpackResult(
      packResult({
        ...result,
        record: { ...result.record, settings: { ...DEFAULT_SETTINGS, labels: { i: String(i) } } },
      }, segment),
      segment,
    );
  }
  assert.notEqual(settingsOf(1), first);
  assert.deepEqual(settingsOf(1), first);
});
