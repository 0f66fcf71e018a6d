import assert from "node:assert/strict";
import {
  NAB_PROFILES,
  type NabFile,
  nabLosses,
  nabScore,
  probation,
} from "../../../../src/cli/evaluate/detection/nab.ts";
import { lcg } from "./_lcg.ts";

/** Three files; the kit's own scorer (nab_score.py) was given the same. */
const FILES: readonly NabFile[] = [
  { score: lcg(900, 5).with(210, 1.5).with(600, 1.2), windows: [[200, 260], [500, 640]] },
  { score: lcg(1200, 9).with(100, 2).with(900, 1.7), windows: [[700, 800]] },
  { score: lcg(300, 13), windows: [] },
];

Deno.test("nabScore() is that of the evaluation kit in all profiles", () => {
  const kit = { "standard": 58.40214628543248, "low FP": 56.59335340548821 };
  for (const [name, wanted] of Object.entries({ ...kit, "low FN": 61.15698641251054 })) {
    const { score, threshold } = nabScore(FILES, NAB_PROFILES[name]!);
    assert.ok(Math.abs(score - wanted) < 1e-10, `${name}: ${score}, kit ${wanted}`);
    assert.equal(threshold, 1.2);
  }
});

Deno.test("nabScore() is 0 of no detection and near 100 of one at each window's start", () => {
  const silent = FILES.map(({ score, windows }) => ({ score: score.map(() => 0), windows }));
  const standard = NAB_PROFILES.standard!;
  assert.ok(nabScore(silent, standard).score <= 0.5);
  const perfect = FILES.map(({ score, windows }) => ({
    score: score.map((_, i) => (windows.some(([first]) => first === i) ? 1 : 0)),
    windows,
  }));
  assert.ok(nabScore(perfect, standard).score > 99);
});

Deno.test("probation() is a share of the file, up to a limit", () => {
  assert.deepEqual([probation(1000), probation(100_000)], [150, 750]);
});

Deno.test("nabLosses() of all files are what the score lacks of 100, by cause", () => {
  for (const profile of Object.values(NAB_PROFILES)) {
    const { score, threshold } = nabScore(FILES, profile);
    const losses = nabLosses(FILES, profile, threshold);
    const lost = losses.reduce(
      (sum, loss) => sum + loss.missedPoints + loss.latePoints + loss.wrongPoints,
      0,
    );
    assert.ok(Math.abs(100 - score - lost) < 1e-9, `${100 - score}, ${lost}`);
  }
  const silent = nabLosses(FILES, NAB_PROFILES.standard!, Infinity);
  assert.deepEqual(silent.map(({ missed }) => missed), [2, 1, 0]);
  assert.equal(silent.reduce((sum, { missedPoints }) => sum + missedPoints, 0), 100);
  const one = nabLosses(FILES, NAB_PROFILES.standard!, 1.6)[1]!;
  assert.deepEqual(
    [one.missed, one.wrong, one.latePoints],
    [1, 1, 0],
    "of 900 only, which is late",
  );
});
