import assert from "node:assert/strict";
import { AlertBook } from "../../../src/service/alerts/alert_book.ts";
import { AlertDraft } from "../../../src/service/alerts/alert_draft.ts";
import { watchValues } from "../../../src/service/alerts/value_watch.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import { openMemoryStore } from "../../../src/stores/mod.ts";
import { ruleOf, START_NS, VALUE } from "./_alerts.ts";

function segmentOf(values: readonly number[]) {
  return {
    streamId: "s",
    channels: ["value"],
    timestampsNs: BigInt64Array.from(values, (_, i) => START_NS + BigInt(i)),
    values: [Float64Array.from(values)],
  };
}

Deno.test("watchValues() says the same however the log is cut, and reads nothing twice", () => {
  const values = [1, 11, 12, NaN, 13, 1, 11, 2, 14, 15, 16];
  const rule = ruleOf({ condition: { ...VALUE, samples: 2 } as never });
  const run = (step: number, again: number) => {
    const draft = new AlertDraft(
      new AlertBook(openMemoryStore({ clock: new ManualClock() })),
      START_NS,
    );
    let watch = { ruleId: "r", streamId: "s", offset: 0, run: 0 };
    const whole = segmentOf(values);
    for (let end = step; end < values.length + step; end += step) {
      const start = Math.max(0, end - step - again);
      const segment = {
        ...whole,
        timestampsNs: whole.timestampsNs.slice(start, end),
        values: [whole.values[0]!.slice(start, end)],
      };
      watch = watchValues(draft, rule as never, watch, { segment, start, predicted: null });
    }
    return { watch, alerts: draft.alerts };
  };
  const whole = run(values.length, 0);
  assert.deepEqual(whole.watch, { ruleId: "r", streamId: "s", offset: 11, run: 3 });
  assert.deepEqual(whole.alerts.map(({ state, value }) => [state, value[0]]), [
    ["closed", 12],
    ["open", 15],
  ]);
  for (const step of [1, 2, 3]) {
    for (const again of [0, 2]) assert.deepEqual(run(step, again), whole);
  }
});
