import assert from "node:assert/strict";
import { aggregateCells, crossingText } from "../../../../routes/dashboard/client/answers_panel.ts";

const timeOf = (timeMs: number) => new Date(timeMs).toISOString().slice(11, 16);

Deno.test("aggregateCells() names the aggregate and rounds to what its interval allows", () => {
  const cells = aggregateCells({
    ...{ aggregate: "total", from: "", to: "", count: 3, mean: 60.1, median: 60.1234 },
    quantiles: {},
    intervals: { "80": [50.123, 70.5], "95": [45, 75] },
  });
  assert.equal(cells[0], "Total");
  assert.match(cells[1]!, /^60/);
  assert.match(cells[2]!, /^50.* … 71/);
  assert.equal(cells.length, 4);
});

Deno.test("crossingText() tells how likely and by when", () => {
  const answer = {
    ...{ threshold: 21, direction: "up" as const },
    probability: [0.02, 0.4, 0.3],
    crossed: [0.02, 0.4, 0.55],
    crossing: { "0.1": "2026-03-01T08:06:00Z", "0.5": "2026-03-01T08:07:00Z", "0.9": null },
  };
  const text = crossingText(answer, timeOf);
  assert.match(text, /^Passes above 21 .* 55.* \(10 % by 08:06, half by 08:07\); .* 40/);
  const never = { ...answer, direction: "down" as const, crossed: [0, 0], probability: [0, 0] };
  const none = { "0.1": null, "0.5": null, "0.9": null };
  assert.match(crossingText({ ...never, crossing: none }, timeOf), /^Passes below 21 .* 0\.0 %; /);
});
