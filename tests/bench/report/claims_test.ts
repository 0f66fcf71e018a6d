import assert from "node:assert/strict";
import { tell } from "../../../bench/report/claims.ts";

const PAGE = "On 2026-01-02 the\nscan took 0.32 ms, 1,200 of 5.\n\n| a scan  | 0.5 / 7 |\n";

Deno.test("tell() finds figures over line ends and columns, and leaves what is current", () => {
  const claims = [
    { text: "On # the scan took # ms, # of #.", figures: ["2026-01-02", "0.32", "1,200", "5"] },
    { text: "| a scan | # / # |", figures: ["0.5", "7"] },
  ];
  assert.deepEqual(tell(PAGE, claims), { text: PAGE, stale: [] });
});

Deno.test("tell() puts stored figures in, of any width, and says which", () => {
  const text = "scan took # ms, # of #.";
  const { text: told, stale } = tell(PAGE, [{ text, figures: ["0.3125", "90", "5"] }]);
  assert.match(told, /scan took 0\.3125 ms, 90 of 5\./);
  assert.deepEqual(stale, [
    { text, found: "1,200", stored: "90" },
    { text, found: "0.32", stored: "0.3125" },
  ]);
});

Deno.test("tell() refuses a claim that the page does not make, makes twice, or counts otherwise", () => {
  const of = (text: string, ...figures: string[]) => () => tell(PAGE, [{ text, figures }]);
  assert.throws(of("the sum took # ms", "1"), /"the sum took # ms" 0 times, expected once/);
  assert.throws(of("# ", "1"), /expected once/);
  assert.throws(of("took # ms", "1", "2"), /"took # ms" has 1 figures, 2 are stored/);
});
