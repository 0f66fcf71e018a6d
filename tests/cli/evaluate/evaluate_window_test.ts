import assert from "node:assert/strict";
import { evaluateWindow } from "../../../src/cli/evaluate/evaluate_window.ts";
import { SCORED_QUANTILES } from "../../../src/cli/evaluate/score.ts";
import { settingNamed } from "../../../src/cli/evaluate/settings.ts";
import { BASELINE, openSubject, type Subject } from "../../../src/cli/evaluate/subject.ts";
import { waveWindows } from "./_window.ts";

const [WINDOW] = waveWindows(1);
const ALL = ["given", "fine2", "found", "rate2", "lead2"].map(settingNamed);

/** Forecasts one number everywhere and counts its fits. */
function constant(value: number, fits: { count: number }): Subject {
  return {
    name: "constant",
    source: "constant",
    version: "1",
    isPeer: true,
    fit: () => {
      fits.count++;
      return {
        stateBytes: 8,
        forecast: (slots) => new Float64Array(slots.length * SCORED_QUANTILES.length).fill(value),
      };
    },
  };
}

Deno.test("evaluateWindow() fits once for settings that show the same context", () => {
  const fits = { count: 0 };
  const outcomes = evaluateWindow(constant(10, fits), WINDOW!, ALL);
  assert.deepEqual(outcomes.map(({ setting }) => setting), ALL.map(({ name }) => name));
  assert.equal(fits.count, 3);
  assert.ok(
    outcomes.every(({ fault, stateBytes, ms }) => fault === null && stateBytes === 8 && ms >= 0),
  );
});

Deno.test("evaluateWindow() scores Seasonal Naive where a forecast fails, and says why", async () => {
  const naive = (await openSubject(BASELINE))!;
  const expected = evaluateWindow(naive, WINDOW!, ALL);
  const broken: Subject = {
    ...naive,
    fit: () => {
      throw new Error("too few samples");
    },
  };
  const silent = constant(NaN, { count: 0 });
  for (const [subject, fault] of [[broken, "too few samples"], [silent, "not finite"]] as const) {
    const outcomes = evaluateWindow(subject, WINDOW!, ALL);
    outcomes.forEach((outcome, i) => {
      assert.match(outcome.fault!, new RegExp(fault));
      // Between leads the substitute takes the next whole one, so only those agree.
      if (ALL[i]!.name !== "lead2") assert.deepEqual(outcome.score, expected[i]!.score);
      assert.ok(outcome.score.mase! > 0);
    });
  }
});

Deno.test("evaluateWindow() leaves out settings that say nothing of a window", () => {
  const week = { ...WINDOW!, m: 7 };
  const outcomes = evaluateWindow(constant(10, { count: 0 }), week, ALL);
  assert.deepEqual(outcomes.map(({ setting }) => setting), ["given", "found"]);
});
