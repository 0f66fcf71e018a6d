import assert from "node:assert/strict";
import { Figures } from "../../../src/cli/evaluate/figures.ts";
import { verdicts } from "../../../src/cli/evaluate/page_goals.ts";
import { record } from "./_records.ts";

const PEER = { isPeer: true };

function figuresOf(neural: number, dropped: number, plain: number): Figures {
  return new Figures([
    record("seasonal-naive", "given", { a: 1 }, PEER),
    record("augurs-mstl", "given", { a: 0.8 }, PEER),
    record("augurs-mstl", "drop30", { a: 0.88 }, PEER),
    record("neural", "found", { a: neural }),
    record("neural", "given", { a: neural }),
    record("neural", "drop30", { a: dropped }),
    record("committee", "found", { a: 0.65 }),
    record("committee-plain", "found", { a: plain }),
  ], "dev");
}

function met(figures: Figures): (boolean | null)[] {
  return verdicts(figures).map(({ isMet }) => isMet);
}

Deno.test("verdicts() hold what is reached to what is wanted", () => {
  const good = met(figuresOf(0.7, 0.72, 0.71));
  assert.deepEqual(good, [true, null, true, true, true, true, true, true]);
  const bad = met(figuresOf(0.75, 0.8, 0.64));
  assert.deepEqual(bad, [false, null, true, true, true, false, false, false]);
});

Deno.test("verdicts() tell the figures, and nothing where nothing is measured", () => {
  const [neural, mamba, , , , voice, points, shares] = verdicts(figuresOf(0.7, 0.72, 0.71));
  assert.equal(neural!.reached, "0.700 / 0.700");
  assert.equal(mamba!.reached, "");
  assert.equal(voice!.reached, "-0.060 / -0.060");
  assert.equal(points!.atLeast, "< half of augurs-mstl's +0.080 / +0.080");
  assert.equal(points!.reached, "+0.020 / +0.020");
  assert.equal(shares!.atLeast, "< half of augurs-mstl's 10.0 % / 10.0 %");
  assert.equal(shares!.reached, "2.9 % / 2.9 %");
  for (const { reached, isMet } of verdicts(new Figures([], "dev"))) {
    assert.deepEqual([reached, isMet], ["", null]);
  }
});
