import assert from "node:assert/strict";
import { ManualClock } from "../../../src/base/clock.ts";
import type { Alert, Finding } from "../../../src/service/alerts/alert.ts";
import { AlertBook } from "../../../src/service/alerts/alert_book.ts";
import { AlertDraft } from "../../../src/service/alerts/alert_draft.ts";
import { openMemoryStore } from "../../../src/stores/mod.ts";
import { ANOMALY, ruleOf, START_NS } from "./_alerts.ts";

const S = 1_000_000_000n;

function findingAt(seconds: number, given: Partial<Finding> = {}): Finding {
  return {
    timeNs: START_NS + BigInt(seconds) * S,
    summary: "",
    reason: "spike",
    p: 1e-4,
    score: 5,
    channels: ["a"],
    value: [1],
    expected: [0],
    scale: [1],
    number: 0,
    ...given,
  };
}

const draftOf = (nowNs = START_NS) =>
  new AlertDraft(new AlertBook(openMemoryStore({ clock: new ManualClock() })), nowNs);
const told = ({ alerts }: AlertDraft) => alerts.map((a: Alert) => [a.state, a.eventCount]);

Deno.test("AlertDraft merges the events of one alert and shows the rarest", () => {
  const draft = draftOf();
  const rule = ruleOf({ condition: ANOMALY });
  const raise = (finding: Finding) => draft.raise({ rule, streamId: "s", finding, isBegin: true });
  raise(findingAt(0));
  raise(findingAt(1, { p: 1e-3 }));
  raise(findingAt(2, { p: 1e-6, reason: "level" }));
  const [alert] = draft.alerts;
  assert.deepEqual(told(draft), [["open", 3]]);
  assert.deepEqual([alert!.p, alert!.reason, alert!.peakNs], [1e-6, "level", START_NS + 2n * S]);
  assert.equal(alert!.openedNs, START_NS);
});

Deno.test("AlertDraft opens none in maintenance, too old, or twice for one event", () => {
  const window = { kind: "once", fromNs: START_NS, toNs: START_NS + S } as const;
  const silent = draftOf();
  const raise = (draft: AlertDraft, rule = ruleOf(), at = 0) =>
    draft.raise({ rule, streamId: "s", finding: findingAt(at), isBegin: true });
  raise(silent, ruleOf({ maintenance: [window] }));
  assert.deepEqual([silent.alerts, silent.counts], [[], { silenced: 1, dropped: 0 }]);
  const late = draftOf(START_NS + 61n * S);
  raise(late, ruleOf({ maxAgeS: 60 }));
  assert.deepEqual(late.alerts, []);
  const again = draftOf();
  raise(again);
  again.close(again.alerts[0]!, "rule");
  raise(again);
  assert.deepEqual(told(again), [["closed", 1]]);
});

Deno.test("AlertDraft ends a flag's alert only with a flag that reaches it", () => {
  const rule = ruleOf({ condition: ANOMALY });
  const draft = draftOf();
  draft.raise({ rule, streamId: "s", finding: findingAt(10), isBegin: true });
  const end = (peak: number) => ({
    streamId: "s",
    number: 0,
    openedNs: START_NS,
    peakNs: START_NS + BigInt(peak) * S,
    endedNs: START_NS + 20n * S,
    score: 9,
    p: 1e-5,
    reason: "shape",
    channels: ["a"],
  });
  draft.endFlag(rule, end(5));
  assert.equal(draft.alerts[0]!.state, "open");
  draft.endFlag(rule, end(12));
  const [alert] = draft.alerts;
  assert.deepEqual([alert!.state, alert!.closedBy, alert!.reason, alert!.score], [
    "closed",
    "itself",
    "shape",
    9,
  ]);
});

Deno.test("AlertDraft holds what a person closed until its condition has rested", () => {
  const rule = ruleOf();
  const draft = draftOf();
  const raise = (at: number) =>
    draft.raise({ rule, streamId: "s", finding: findingAt(at), isBegin: false });
  raise(0);
  draft.close(draft.alerts[0]!, "person");
  raise(5);
  assert.deepEqual(told(draft), [["closed", 1]]);
  draft.rest(rule, "s", START_NS + 6n * S);
  raise(7);
  assert.deepEqual(told(draft), [["closed", 1], ["open", 1]]);
});

Deno.test("AlertDraft gives an open alert the reason that its flag turned out to have", () => {
  const rule = ruleOf({ condition: ANOMALY });
  const draft = draftOf();
  draft.raise({ rule, streamId: "s", finding: findingAt(10), isBegin: true });
  const revised = {
    streamId: "s",
    number: 0,
    openedNs: START_NS + 10n * S,
    peakNs: START_NS + 10n * S,
    endedNs: START_NS + 14n * S,
    score: 9,
    p: 1e-5,
    reason: "level",
    channels: ["a"],
    isOpen: true,
  };
  draft.reviseFlag(rule, { ...revised, number: 1 });
  assert.equal(draft.alerts[0]!.reason, "spike");
  draft.reviseFlag(rule, revised);
  const [{ state, reason, summary, eventCount }] = draft.alerts as [Alert];
  assert.deepEqual([state, reason, eventCount], ["open", "level", 1]);
  assert.equal(summary, "Anomaly (level) in a, p 1.0e-5");
});
