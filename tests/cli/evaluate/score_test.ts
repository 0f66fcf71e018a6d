import assert from "node:assert/strict";
import {
  geometricMean,
  isComplete,
  LEAD_GROUPS,
  scaleOf,
  SCORED_QUANTILES,
  scoreWindow,
  taskScores,
  totalOf,
} from "../../../src/cli/evaluate/score.ts";
import { type EvaluationWindow, parseEvaluationWindow } from "../../../src/cli/evaluate/windows.ts";
import { seasonalNaive } from "../../../src/cli/peers/seasonal_naive.ts";
import { readLines } from "../../../src/cli/forecast_windows.ts";

const FOLDER = `${import.meta.dirname}/../../testdata/accuracy`;
const WIDTH = SCORED_QUANTILES.length;

interface Expected {
  readonly mase: number;
  readonly wql: number;
  readonly c80: number;
  readonly c95: number;
  readonly n: number;
}

async function windowsOf(path: string): Promise<EvaluationWindow[]> {
  return (await readLines(path)).map((line, i) => parseEvaluationWindow(line, i + 1));
}

function naiveRows({ context, m, h }: EvaluationWindow): Float64Array {
  return seasonalNaive({
    context: Float64Array.from(context, (value) => value!),
    season: m,
    horizon: h,
    quantiles: SCORED_QUANTILES,
  });
}

function scoreOf(window: EvaluationWindow, rows: Float64Array) {
  return scoreWindow({
    task: window.task,
    target: Float64Array.from(window.target, (value) => value ?? NaN),
    rows,
    leads: Float64Array.from(window.target, (_, i) => i + 1),
    scale: scaleOf(Float64Array.from(window.context, (value) => value!), window.m),
  });
}

/** Both sides add the same doubles in another order; a normal quantile differs in its last bits. */
function near(actual: number, expected: number, name: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.abs(expected) + 1e-12, `${name}: ${actual}`);
}

Deno.test("scores agree with the evaluation kit's scorer on its own fixture", async () => {
  const expected = JSON.parse(await Deno.readTextFile(`${FOLDER}/expected.json`));
  const windows = await windowsOf(`${FOLDER}/windows.jsonl`);
  const predictions = new Map<string, number[][] | null>(
    (await readLines(`${FOLDER}/predictions.jsonl`)).map((line) => {
      const { id, q } = JSON.parse(line);
      return [id, q];
    }),
  );
  let failed = 0;
  const rowsOf = (window: EvaluationWindow) => {
    const q = predictions.get(window.id);
    const rows = q
      ? Float64Array.from({ length: window.h * WIDTH }, (_, i) => {
        return q[i % WIDTH]![Math.floor(i / WIDTH)]!;
      })
      : null;
    if (rows !== null && isComplete(rows, window.h)) return rows;
    failed++;
    return naiveRows(window);
  };
  const naive = taskScores(windows.map((window) => scoreOf(window, naiveRows(window))));
  const scored = taskScores(windows.map((window) => scoreOf(window, rowsOf(window))));
  assert.equal(failed, expected.failed);
  for (const [ours, theirs] of [[naive, expected.naive], [scored, expected.scored]]) {
    assert.deepEqual(Object.keys(ours), Object.keys(theirs));
    for (const [task, wanted] of Object.entries(theirs as Record<string, Expected>)) {
      const own = ours[task]!;
      assert.equal(own.windows, wanted.n);
      near(own.mase, wanted.mase, `${task} MASE`);
      near(own.wql, wanted.wql, `${task} WQL`);
      near(own.cover80, wanted.c80, `${task} cover 80`);
      near(own.cover95, wanted.c95, `${task} cover 95`);
    }
  }
  const total = totalOf(scored, naive);
  near(total.mase, expected.total.mase, "MASE");
  near(total.wql, expected.total.wql, "WQL");
  near(total.cover80, expected.total.c80, "cover 80");
  near(total.cover95, expected.total.c95, "cover 95");
});

Deno.test("Seasonal Naive on the development windows scores what the kit says", async (t) => {
  const root = `${import.meta.dirname}/../../..`;
  const shared = Deno.env.get("DRIFTLINE_SHARED") ?? `${root}/../shared`;
  let windows: EvaluationWindow[];
  try {
    windows = await windowsOf(`${shared}/eval/windows.dev.jsonl.gz`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await t.step({ name: "no development windows here", ignore: true, fn: () => {} });
    return;
  }
  const { tasks, total } = JSON.parse(
    await Deno.readTextFile(`${root}/bench/results/accuracy_peers.json`),
  );
  const scored = taskScores(windows.map((window) => scoreOf(window, naiveRows(window))));
  assert.deepEqual(Object.keys(scored), Object.keys(tasks));
  for (const [task, { mase, wql }] of Object.entries(scored)) {
    const [wantedMase, wantedWql] = tasks[task]["seasonal-naive"];
    assert.equal(Number(mase.toFixed(3)), wantedMase, `${task} MASE`);
    assert.equal(Number(wql.toFixed(4)), wantedWql, `${task} WQL`);
  }
  const { mase, wql, cover80, cover95 } = totalOf(scored, scored);
  assert.deepEqual([mase, wql], [1, 1]);
  assert.equal(Number(cover80.toFixed(3)), total["seasonal-naive"].cover80);
  assert.equal(Number(cover95.toFixed(3)), total["seasonal-naive"].cover95);
});

Deno.test("scoreWindow() sorts crossed quantiles and keeps errors by lead", () => {
  const target = Float64Array.from([1, NaN, 3]);
  const row = [...SCORED_QUANTILES.keys()];
  const rows = Float64Array.from([...row.toReversed(), ...row, ...row]);
  const leads = Float64Array.from([0.5, 1, 3]);
  const { mase, inside80, leads: groups } = scoreWindow({
    task: "a",
    target,
    rows,
    leads,
    scale: 2,
  });
  // The median of a row is 5; the errors are 4 and 2.
  assert.equal(mase, 1.5);
  assert.equal(inside80, 1);
  assert.deepEqual(groups[0], { count: 1, error: 2, inside80: 1 });
  assert.deepEqual(groups[LEAD_GROUPS.indexOf(3)], { count: 1, error: 1, inside80: 1 });
});

Deno.test("a window without targets or without a scale has no MASE and breaks no task", () => {
  const rows = new Float64Array(WIDTH).fill(1);
  const leads = Float64Array.of(1);
  const one = (target: number, scale: number) =>
    scoreWindow({ task: "a", target: Float64Array.of(target), rows, leads, scale });
  assert.equal(one(NaN, 1).inside80, null);
  assert.equal(one(1, 0).mase, null);
  const { a } = taskScores([one(NaN, 1), one(1, 0), one(2, 1)]);
  assert.equal(a!.mase, 1);
  assert.equal(a!.cover80, 0.5);
});

Deno.test("isComplete() refuses too few, too many and non-finite numbers", () => {
  const good: Float64Array = new Float64Array(WIDTH);
  assert.ok(isComplete(good, 1));
  assert.ok(!isComplete(good, 2));
  assert.ok(!isComplete(null, 1));
  assert.ok(!isComplete(good.with(3, NaN), 1));
});

Deno.test("geometricMean() and totalOf() take only tasks that both sides have", () => {
  assert.ok(Math.abs(geometricMean([2, 8]) - 4) < 1e-12);
  const figures = (mase: number) => ({ mase, wql: mase, cover80: 0.8, cover95: 0.9 });
  const total = totalOf({ a: figures(2), b: figures(5) }, { a: figures(4), c: figures(1) });
  assert.ok(Math.abs(total.mase - 0.5) < 1e-12);
  assert.equal(total.cover80, 0.8);
});
