import assert from "node:assert/strict";
import {
  DRAWS,
  gridOf,
  MAIN_SETTINGS,
  settingNamed,
  SETTINGS,
  type Trial,
  trialOf,
} from "../../../src/cli/evaluate/settings.ts";
import type { EvaluationWindow } from "../../../src/cli/evaluate/windows.ts";

const WINDOW: EvaluationWindow = {
  id: "w",
  task: "t",
  freq: "H",
  m: 24,
  h: 6,
  context: Array.from({ length: 101 }, (_, i) => i),
  target: [101, 102, null, 104, 105, 106],
};

function shown(name: string, changes: Partial<EvaluationWindow> = {}): Trial {
  return trialOf({ ...WINDOW, ...changes }, settingNamed(name))!;
}

Deno.test("every setting has a name of its own and a baseline that is a setting", () => {
  const names = SETTINGS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { baseline } of SETTINGS) assert.ok(names.includes(baseline));
  for (const name of MAIN_SETTINGS) assert.ok(names.includes(name));
  assert.throws(() => settingNamed("best"), /settings is "best", expected main, all/);
});

Deno.test("trialOf() shows the whole window, its targets and what was not measured", () => {
  const { slots, values, asked, target, season, scale, slotS, horizon } = shown("given");
  assert.deepEqual([...slots], [...values]);
  assert.equal(slots.length, 101);
  assert.deepEqual([...asked], [101, 102, 103, 104, 105, 106]);
  assert.deepEqual([...target], [101, 102, NaN, 104, 105, 106]);
  assert.deepEqual([season, scale, slotS, horizon], [24, 24, 3600, 6]);
});

Deno.test("trialOf() shows the newest samples only, scaled as the whole window is", () => {
  const { slots, first, scale } = shown("context16");
  assert.deepEqual([slots[0], slots.length, first, scale], [85, 16, 85, 24]);
  assert.equal(shown("context256").contextKey, shown("given").contextKey);
  assert.notEqual(shown("context64").contextKey, shown("given").contextKey);
});

Deno.test("trialOf() drops the same share at random each time", () => {
  const long = { context: Array.from({ length: 2000 }, (_, i) => i) };
  for (const [name, share] of [["drop10", 0.1], ["drop30", 0.3], ["drop50", 0.5]] as const) {
    const { slots, values } = shown(name, long);
    // Four standard deviations of a binomial share.
    const slack = 4 * Math.sqrt(share * (1 - share) / 2000);
    assert.ok(Math.abs(1 - slots.length / 2000 - share) < slack, name);
    assert.deepEqual([...slots], [...values]);
    assert.deepEqual(shown(name, long).slots, slots);
  }
  assert.notDeepEqual(shown("drop50", { id: "other" }).slots, shown("drop50").slots);
  const draws = DRAWS.map((name) => [...shown(name, long).slots].join());
  assert.equal(new Set(draws).size, DRAWS.length);
});

Deno.test("trialOf() moves time stamps by at most 30 % of a period and leaves the values", () => {
  const { slots, values } = shown("jitter");
  assert.ok(slots.every((slot, i) => Math.abs(slot - i) <= 0.3));
  assert.ok(slots.some((slot, i) => Math.abs(slot - i) > 0.2));
  assert.deepEqual([...values], WINDOW.context);
});

Deno.test("trialOf() thins samples and leads, counted from the origin", () => {
  const half = shown("rate2");
  assert.deepEqual([half.slots[0], half.slots.at(-1), half.slots.length], [0, 100, 51]);
  assert.deepEqual([...half.asked], [102, 104, 106]);
  assert.deepEqual([...half.target], [102, 104, 106]);
  assert.deepEqual([half.season, half.step, half.horizon], [12, 2, 3]);
  const quarter = shown("lead4");
  assert.deepEqual([...quarter.asked], [101, 102, 103, 104, 105, 106]);
  assert.deepEqual([quarter.season, quarter.horizon, quarter.slots.length], [6, 2, 26]);
  assert.deepEqual([...shown("fine4").asked], [104]);
  assert.equal(shown("fine4").contextKey, shown("given").contextKey);
  assert.equal(shown("lead2").contextKey, shown("rate2").contextKey);
});

Deno.test("trialOf() leaves out what a setting says nothing of", () => {
  const week = { ...WINDOW, m: 7 };
  assert.equal(trialOf(week, settingNamed("rate2")), null);
  assert.equal(trialOf(week, settingNamed("fine2")), null);
  assert.equal(trialOf({ ...WINDOW, m: 1, h: 3 }, settingNamed("rate4")), null);
  assert.equal(trialOf({ ...WINDOW, context: [1, 2] }, settingNamed("given")), null);
  assert.equal(trialOf({ ...WINDOW, m: 1 }, settingNamed("rate4"))!.season, 1);
});

Deno.test("gridOf() fills gaps and ends by straight lines", () => {
  const trial = { ...shown("given"), first: 0, origin: 5, step: 1 };
  const grid = gridOf({
    ...trial,
    slots: Float64Array.from([1, 2, 4]),
    values: Float64Array.from([10, NaN, 40]),
  });
  assert.deepEqual([...grid], [10, 10, 20, 30, 40, 40]);
  const dropped = shown("drop50");
  // The window is a straight line, so only the ends can differ from it.
  const [low, high] = [dropped.slots[0]!, dropped.slots.at(-1)!];
  gridOf(dropped).forEach((value, i) => {
    assert.ok(Math.abs(value - Math.min(high, Math.max(low, i))) < 1e-9);
  });
  assert.equal(gridOf(shown("rate4")).length, 26);
});
