import assert from "node:assert/strict";
import { Figures } from "../../../src/cli/evaluate/figures.ts";
import {
  bandTable,
  coverageTable,
  drawsTable,
  leadsTable,
  lossTable,
  measuredIn,
  MISSING,
  rateTable,
  settingsTable,
  shownModels,
  taskTable,
} from "../../../src/cli/evaluate/page_tables.ts";
import { SETTINGS } from "../../../src/cli/evaluate/settings.ts";
import { record } from "./_records.ts";

/** Losses of 10 % where 30 % of the samples are dropped, none elsewhere. */
function figuresOf(...models: string[]): Figures {
  const records = SETTINGS.flatMap(({ name }) => [
    record("seasonal-naive", name, { a: 1, b: 2 }, { isPeer: true }),
    ...models.map((model) => {
      const factor = name === "drop30" ? 1.1 : 1;
      return record(model, name, { a: 0.5 * factor, b: 1 * factor });
    }),
  ]);
  return new Figures(records, "dev");
}

const FIGURES = figuresOf("analog", "committee", "neural", "neural@9");

Deno.test("shownModels() are the default, then the neural ones, without checkpoints", () => {
  assert.deepEqual(shownModels(FIGURES, "found"), ["committee", "neural", "analog"]);
  assert.deepEqual(measuredIn(FIGURES, ["found", "drop30"]), [
    ...["analog", "committee", "neural", "seasonal-naive"],
  ]);
});

Deno.test("measuredIn() leaves out what was measured in different versions", () => {
  const records = FIGURES.records.map((one) =>
    one.model === "neural" && one.setting === "drop30" ? { ...one, version: "2" } : one
  );
  const mixed = new Figures(records, "dev");
  assert.ok(!measuredIn(mixed, ["given", "drop30"]).includes("neural"));
  assert.ok(measuredIn(mixed, ["given", "drop10"]).includes("neural"));
});

Deno.test("tables have a dash where a version was not measured, not a line less", () => {
  const records = FIGURES.records
    .filter(({ model, setting }) => model !== "neural" || setting !== "drop50")
    .map((one) =>
      one.model === "neural" && one.setting === "drop30_seed2" ? { ...one, version: "2" } : one
    );
  const some = new Figures(records, "dev");
  assert.match(
    settingsTable(some, ["given", "drop30", "drop50"]),
    /\| neural \| 0\.500 \/ 0\.500 \| 0\.550 \/ 0\.550 \| – \|/,
  );
  assert.match(lossTable(some, ["drop30", "drop50"]), /\| neural \| 10\.0 % \/ 10\.0 % \| – \|/);
  const draws = "| neural | 10.0 % / 10.0 % | – | 0.0 % / 0.0 % | – |";
  assert.ok(drawsTable(some).includes(draws), "a mean of all draws or none");
});

Deno.test("lossTable() compares with the whole context", () => {
  assert.match(
    lossTable(FIGURES, ["drop10", "drop30"]),
    /\| neural \| 0\.0 % \/ 0\.0 % \| 10\.0 % /,
  );
});

Deno.test("tables by setting, task, lead and rate have every figure", () => {
  assert.match(
    settingsTable(FIGURES, ["given", "drop30"]),
    /\| neural \| 0\.500 \/ 0\.500 \| 0\.550/,
  );
  assert.match(
    taskTable(FIGURES, null, "mase"),
    /\| b \| 2 \| 2\.000 \| 1\.000 \| 1\.000 \| 1\.000 \|/,
  );
  assert.match(taskTable(FIGURES, null, "wql"), /\| a \| 2 \| 0\.1000 \| 0\.0500 /);
  assert.match(coverageTable(FIGURES), /\| a \| 0\.800 \| 0\.950 \| 0\.800/);
  assert.match(leadsTable(FIGURES, "found"), /\| from 2 \| 0\.500 \| 0\.800 /);
  assert.equal(rateTable(FIGURES).split("\n").length, 6);
  assert.match(bandTable(FIGURES), /\| neural \| found \| 1 \| 0\.500 … 0\.500 /);
});

Deno.test("drawsTable() has each draw and their mean", () => {
  // Only the first draw loses anything here.
  const mean = "| neural | 10.0 % / 10.0 % | 0.0 % / 0.0 % | 0.0 % / 0.0 % | 3.3 % / 3.3 % |";
  assert.ok(drawsTable(FIGURES).includes(mean), drawsTable(FIGURES));
});

Deno.test("tables of nothing say so", () => {
  const none = new Figures([], "dev");
  for (const text of [coverageTable(none), leadsTable(none, "found"), bandTable(none)]) {
    assert.equal(text, MISSING);
  }
});
