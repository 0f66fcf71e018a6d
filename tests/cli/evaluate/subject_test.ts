import assert from "node:assert/strict";
import { SCORED_QUANTILES } from "../../../src/cli/evaluate/score.ts";
import { settingNamed, type Trial, trialOf } from "../../../src/cli/evaluate/settings.ts";
import {
  BASELINE,
  openSubject,
  PEER_NAMES,
  subjectNames,
} from "../../../src/cli/evaluate/subject.ts";
import { forecastWindow } from "../../../src/cli/window_forecast.ts";
import { MODEL_NAMES, modelNamed } from "../../../src/models/mod.ts";
import { waveWindows } from "./_window.ts";

const [WINDOW] = waveWindows(1);
const WIDTH = SCORED_QUANTILES.length;

function trial(setting: string): Trial {
  return trialOf(WINDOW!, settingNamed(setting))!;
}

Deno.test("subjectNames() are every model that serves and every peer", () => {
  assert.deepEqual(subjectNames(), [...MODEL_NAMES, ...PEER_NAMES]);
});

Deno.test("openSubject() forecasts a window as `driftline forecast` does", async () => {
  for (const [setting, hint] of [["given", "season"], ["found", "none"]] as const) {
    const subject = (await openSubject("structural"))!;
    const fitted = subject.fit(trial(setting));
    const rows = fitted.forecast(trial(setting).asked);
    const { q } = forecastWindow({
      window: WINDOW!,
      model: "structural",
      hint,
      perturb: "none",
      seed: 1,
    });
    for (let lead = 0; lead < 8; lead++) {
      for (let k = 0; k < WIDTH; k++) assert.equal(rows[lead * WIDTH + k], q![k]![lead]);
    }
    assert.equal(subject.version, modelNamed("structural").name);
    assert.ok(fitted.stateBytes! > 1000);
  }
});

Deno.test("openSubject() tells a model that there is no season", async () => {
  const subject = (await openSubject("seasonal_naive"))!;
  const median = (setting: string) => {
    const rows = subject.fit(trial(setting)).forecast(trial(setting).asked);
    return Array.from({ length: 8 }, (_, lead) => rows[lead * WIDTH + 5]!);
  };
  const range = (values: number[]) => Math.max(...values) - Math.min(...values);
  // Without a season every lead repeats the last value, but for what past errors correct.
  assert.ok(range(median("none")) < 1);
  assert.ok(range(median("given")) > 5);
});

Deno.test("peers see the grid, and join their leads by straight lines", async () => {
  const naive = (await openSubject(BASELINE))!;
  assert.ok(naive.isPeer);
  const rows = naive.fit(trial("lead2")).forecast(trial("lead2").asked);
  const even = naive.fit(trial("rate2")).forecast(trial("rate2").asked);
  const median = (values: Float64Array, row: number) => values[row * WIDTH + 5]!;
  const last = WINDOW!.context.at(-1)!;
  assert.equal(median(rows, 1), median(even, 0));
  assert.ok(Math.abs(median(rows, 0) - (last + median(even, 0)) / 2) < 1e-9);
  assert.ok(Math.abs(median(rows, 2) - (median(even, 0) + median(even, 1)) / 2) < 1e-9);
  assert.equal(naive.fit(trial("given")).stateBytes, null);
});

Deno.test("openSubject() forecasts by augurs on gaps filled by straight lines", async () => {
  const subject = (await openSubject("augurs-mstl"))!;
  for (const setting of ["given", "drop50", "jitter", "rate4"]) {
    const rows = subject.fit(trial(setting)).forecast(trial(setting).asked);
    assert.equal(rows.length, trial(setting).asked.length * WIDTH);
    assert.ok(rows.every(Number.isFinite), setting);
  }
});

Deno.test("openSubject() lists what there is", async () => {
  await assert.rejects(openSubject("oracle"), /models is "oracle", expected one of committee/);
});
