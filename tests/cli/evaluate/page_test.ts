import assert from "node:assert/strict";
import { accuracyPage } from "../../../src/cli/evaluate/page.ts";
import { SETTINGS } from "../../../src/cli/evaluate/settings.ts";
import { record } from "./_records.ts";

const NAIVE = { sunny: 1, rainy: 2 };
const PEERS = {
  origin: "Measured elsewhere.",
  total: {
    "seasonal-naive": figures(1),
    "r-stlf": figures(0.848),
  },
  tasks: {
    sunny: { "seasonal-naive": [1, 0.1] as const, "r-stlf": [0.6, 0.06] as const },
    rainy: { "seasonal-naive": [2, 0.2] as const, "r-stlf": [1.2, 0.12] as const },
  },
};

function figures(mase: number) {
  return {
    mase,
    wql: mase,
    cover80: 0.8,
    cover95: 0.95,
    failed: 0,
    msMedian: null,
    msMean: 2,
  };
}

function pageOf(names: readonly string[]) {
  const records = SETTINGS.flatMap(({ name }) => [
    record("seasonal-naive", name, NAIVE, { isPeer: true }),
    ...names.map((model) => record(model, name, { sunny: 0.5, rainy: 2.2 })),
  ]);
  return accuracyPage({ records, peers: PEERS, findings: "Rain is hard." });
}

/** The line of a table that begins with some cells. */
function line(text: string, ...cells: string[]): string {
  const start = `| ${cells.join(" | ")} |`;
  return text.split("\n").find((one) => one.startsWith(start)) ?? "";
}

Deno.test("accuracyPage() says ratios, losses, times and sizes of every model", () => {
  const { text, images } = pageOf(["committee", "added_later"]);
  // √(0.5 · 1.1) of both tasks.
  const cells = "0.742 | 0.742 | 0.800 | 0.950 | 1 | 1 | 0 | 2.0 / 3.0 | 1.0 / 2.0 |";
  for (const model of ["committee", "added_later"]) {
    assert.ok(line(text, model, "found").endsWith(cells), line(text, model, "found"));
  }
  assert.match(
    text,
    /committee: worse than Seasonal Naive by more than 3 % in MASE on rainy \(10 %\)/,
  );
  assert.match(text, /worse than the best of all peers .* on rainy \(83 %\)/);
  assert.match(text, /\| best of all, per task, by hindsight \| 0\.600 \| 0\.600 \|/);
  assert.ok(text.includes("Rain is hard."));
  assert.ok(text.includes("_Nothing is measured._"), "the second set is empty");
  assert.deepEqual(
    Object.keys(images),
    ["accuracy_coverage.svg", "accuracy_context.svg", "accuracy_leads.svg"],
  );
});

Deno.test("accuracyPage() gives the band of checkpoints and keeps them out of the totals", () => {
  const { text } = pageOf(["committee", "neural", "neural@900", "neural@1000"]);
  assert.equal(line(text, "neural@900"), "");
  assert.match(line(text, "neural", "found", "2"), /0\.742 … 0\.742/);
});

Deno.test("accuracyPage() of no records says so", () => {
  const { text, images } = accuracyPage({ records: [], peers: null, findings: "" });
  assert.deepEqual(images, {});
  assert.ok(text.split("_Nothing is measured._").length > 10);
});
