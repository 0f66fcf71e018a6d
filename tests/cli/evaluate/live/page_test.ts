import assert from "node:assert/strict";
import { livePage } from "../../../../src/cli/evaluate/live/page.ts";
import { AGES, type Followed } from "../../../../src/cli/evaluate/live/stream.ts";
import { record } from "../_records.ts";

const TASKS = { sunny: 0.5, rainy: 2.2 };
const NAIVE = [record("seasonal-naive", "given", { sunny: 1, rainy: 2 }, { isPeer: true })];

function followed(name: string, inside80: number, changes: Partial<Followed> = {}): Followed {
  const cell = { count: 50, inside80, inside95: 48 };
  const none = { count: 0, inside80: 0, inside95: 0 };
  return {
    name,
    group: "pumps",
    isReal: true,
    samples: 100,
    cells: AGES.map((_, age) => [age === 1 ? cell : none, none, none]),
    needed: 0.5,
    width: null,
    loss: 0.9,
    ...changes,
  };
}

Deno.test("livePage() shows what was fed beside what was put there at once", () => {
  const fed = record("committee", "found", TASKS);
  const once = record("committee", "found", { sunny: 0.4, rainy: 2 });
  const text = livePage([fed], [...NAIVE, once], []);
  // √(0.4 · 1) and √(0.5 · 1.1).
  assert.match(text, /\| dev \| committee \| at once \| 0\.632 \| 0\.632 \| 0\.800 \|/);
  assert.match(text, /\| dev \| committee \| fed \| 0\.742 \| 0\.742 \| 0\.800 \|/);
  assert.match(text, /\| sunny \| 2 \| 0\.800 \| 0\.950 \| 0\.800 \| 0\.950 \|/);
});

Deno.test("livePage() sums streams by group, by age and by lead", () => {
  const streams = [
    followed("a", 40),
    followed("b", 20, { needed: 2 }),
    followed("c", 50, { group: "noise", isReal: false, width: 1.25 }),
  ];
  const origin = { model: "committee", version: "committee/1", code: "c", commit: "1234567" };
  const text = livePage([], NAIVE, [{ ...origin, machine: "m", date: "2026-11-22", streams }]);
  assert.match(text, /\| pumps \| 2 \| 100 \| 0\.600 \| 0\.40 … 0\.80 \| 0\.960 \| 1\.00 \| – \|/);
  assert.match(text, /\| noise \| 1 \| 50 \| 1\.000 \| .* \| 1\.25 \| 0\.900 \|/);
  assert.match(text, /\| measured \| 32 to 127 \| 100 \| 0\.600 \| 0\.960 \| – \| – \| – \| – \|/);
  assert.ok(text.includes("_Nothing is measured._"), "no window was fed");
});
