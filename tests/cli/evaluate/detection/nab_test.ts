import assert from "node:assert/strict";
import {
  NAB_PROFILES,
  type NabFile,
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
