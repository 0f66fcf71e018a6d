import assert from "node:assert/strict";
import { FORECASTERS, type LongFigures } from "../../../../src/cli/evaluate/long/measure.ts";
import { longPage } from "../../../../src/cli/evaluate/long/page.ts";

function figures(series: string, horizon: number, ours: number): LongFigures {
  const scores = Object.fromEntries(
    FORECASTERS.map((name) => [name, { mse: name.startsWith("ours") ? ours : 0.4, mae: 0.5 }]),
  );
  return { series, horizon, windows: 9, ridges: { lookback: 1, readout: 1 }, scores };
}

Deno.test("longPage says ratios, errors, published figures and findings", () => {
  const record = {
    code: "c",
    commit: "abc",
    machine: "box",
    date: "2026-01-02T00:00:00Z",
    figures: [figures("ETTh1", 96, 0.36), figures("ETTh1", 192, 0.38), figures("ETTx", 96, 0.42)],
  };
  const text = longPage(record, "It is weak.");
  for (
    const line of [
      "| ours, online | ≤ 1.00 | ≤ 0.93 | 0.967 | 1.050 |",
      "| ETTh1, ours, online | 0.900 | 0.950 | 0.925 |",
      "| ours, frozen | 0.360 / 0.500 | 0.380 / 0.500 |",
      "| _NLinear_ | 0.374 / 0.394 | 0.408 / 0.415 |",
      "Measured 2026-01-02 on box at abc.",
      "## Where it is weak\n\nIt is weak.",
    ]
  ) assert.ok(text.includes(line), `${line}\n${text}`);
});

Deno.test("longPage says where nothing was measured", () => {
  assert.ok(longPage(null, "").endsWith("_Nothing is measured._\n"));
});
