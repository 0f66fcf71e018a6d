import assert from "node:assert/strict";
import {
  CHANGE_AT,
  CHANGE_BASES,
  CHANGE_FOLLOWED,
  CHANGE_KINDS,
  changedStream,
  changeFigures,
  changeTold,
} from "../../../../src/cli/evaluate/detection/changes.ts";
import type { FlagEvent } from "../../../../src/detectors/detector.ts";

const [unchanged] = CHANGE_KINDS;

Deno.test("changedStream() changes from one sample on, in every base and way", () => {
  for (const base of CHANGE_BASES) {
    const same = changedStream(base, unchanged!, 3);
    assert.equal(same.length, CHANGE_AT + CHANGE_FOLLOWED);
    for (const kind of CHANGE_KINDS.slice(1)) {
      if (kind.isSeasonal && base.season === null) continue;
      const stream = changedStream(base, kind, 3);
      assert.ok(stream.every(Number.isFinite), kind.name);
      assert.deepEqual(stream.subarray(0, CHANGE_AT), same.subarray(0, CHANGE_AT));
      assert.notDeepEqual(stream.subarray(CHANGE_AT), same.subarray(CHANGE_AT), kind.name);
    }
  }
});

Deno.test("changeTold() reads the first alarm after the change, as it was last told", () => {
  const event = (index: number, given: Partial<FlagEvent>): FlagEvent => ({
    index: CHANGE_AT + index,
    phase: "open",
    number: 1,
    openedS: 0,
    peakS: 0,
    p: 1e-5,
    score: 3,
    reason: "spike",
    channels: [0],
    ...given,
  });
  const level = CHANGE_KINDS.find(({ reasons }) => reasons[0] === "level")!;
  const told = changeTold([
    event(-90, { number: 0 }),
    event(-50, { number: 0, phase: "end" }),
    event(2, {}),
    event(5, { phase: "revised", reason: "level" }),
    event(80, { number: 2, reason: "drift" }),
  ], level);
  assert.deepEqual(told, { delay: 2, rightDelay: 5, last: "level", alarms: 2 });
  const nothing = { delay: null, rightDelay: null, last: null, alarms: 0 };
  assert.deepEqual(changeTold([event(-50, { phase: "end" })], level), nothing);
});

/** Alarms in eight streams, and those of them that are right in the end. */
const LASTING: readonly (readonly [base: string, change: string, right: number])[] = [
  ["white noise", "none", 0],
  ["white noise", "shift of 6", 8],
  ["white noise", "drift of 0.05", 7],
  ["season of 24, noise", "shift of 6", 8],
  ["season of 24, noise", "period times 3/4", 8],
  ["season of 24, noise", "phase by a quarter", 8],
  ["season of 24, AR(1)", "amplitude times 2", 7],
  ["season of 96, noise", "season gone", 6],
];
for (const [name, change, least] of LASTING) {
  Deno.test(`changeFigures() finds one alarm with the right reason: ${name}, ${change}`, () => {
    const base = CHANGE_BASES.find((one) => one.name === name)!;
    const kind = CHANGE_KINDS.find((one) => one.name === change)!;
    const { right, alarms, delays, reasons } = changeFigures(base, kind, 8);
    assert.ok(right >= least, JSON.stringify(reasons));
    assert.ok(alarms <= delays.length + 2, `${alarms} alarms in ${delays.length} streams`);
  });
}
