import assert from "node:assert/strict";
import {
  cpuSource,
  digits,
  hostSource,
  markdownTable,
  percent,
  source,
} from "../../../bench/report/format.ts";

Deno.test("markdownTable() has a rule, numbers to the right", () => {
  assert.equal(markdownTable(["a", "b"], [["x", "1"]]), "| a | b |\n| --- | --: |\n| x | 1 |");
});

Deno.test("digits() and percent() round, group, and write a dash for what is none", () => {
  assert.deepEqual([digits(1234.5), digits(0.012345), digits(NaN)], ["1,230", "0.0123", "–"]);
  assert.deepEqual([percent(0.876), percent(NaN)], ["88 %", "–"]);
});

const recorded = {
  ...{ date: "2026-01-02T03:04:05Z", commit: "abc", machine: "host x2", adapter: "none" },
  ...{ runtime: "deno 1", command: "cmd" },
};

Deno.test("source() names the host where no GPU took part", () => {
  const one = { ...recorded, data: {} };
  assert.equal(source(one), "`cmd` on host x2, deno 1, 2026-01-02 at abc.");
  assert.match(source({ ...one, adapter: "card" }), / on card \(host x2\), /);
  assert.match(cpuSource({ ...one, adapter: "card" }), / on host x2, /);
});

Deno.test("hostSource() warns of another CPU than the models', whatever its threads", () => {
  const one = { ...recorded, data: {} };
  const modelsOn = (machine: string) => ({ models: { ...recorded, machine, data: { rows: [] } } });
  assert.equal(hostSource(one, {}), source(one));
  assert.equal(hostSource(one, modelsOn("host x64")), source(one));
  assert.match(hostSource(one, modelsOn("other x2")), /Another CPU\*\* \(host\) .*\(other\)/);
});
