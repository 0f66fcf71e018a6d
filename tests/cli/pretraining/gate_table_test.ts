import assert from "node:assert/strict";
import {
  type GateRow,
  ROW_BUCKETS,
  ROW_GLOBALS,
  ROW_LEADS,
  ROW_LOSSES,
  ROW_QUANTILES,
} from "../../../src/cli/pretraining/gate_row.ts";
import { decodeTable, encodeTable } from "../../../src/cli/pretraining/gate_table.ts";

const HEAD = { members: ["seasonal_naive", "mean", "network:small"] };

function rowOf(first: number): GateRow {
  let next = first;
  const numbers = (size: number) => Float64Array.from({ length: size }, () => next++ / 8);
  return {
    group: `group ${first}`,
    series: "one",
    globals: numbers(ROW_GLOBALS.length),
    leads: numbers(ROW_LEADS),
    truth: numbers(ROW_LEADS),
    naive: numbers(ROW_LEADS),
    origins: numbers(ROW_BUCKETS),
    losses: numbers(ROW_LOSSES.length * ROW_BUCKETS * 3),
    forecasts: numbers(3 * ROW_LEADS),
    pooled: numbers(ROW_LEADS * ROW_QUANTILES.length),
    fans: numbers(ROW_LEADS * ROW_QUANTILES.length),
  };
}

Deno.test("decodeTable() gives back the rows of encodeTable()", () => {
  const rows = [rowOf(1), rowOf(50)];
  const back = decodeTable(encodeTable(HEAD, rows));
  assert.deepEqual(back.head, HEAD);
  assert.deepEqual(back.rows, rows);
});

Deno.test("encodeTable() keeps what is missing and bounds what is too large", () => {
  const row = rowOf(1);
  row.forecasts[0] = NaN;
  row.forecasts[1] = -1e9;
  const { forecasts } = decodeTable(encodeTable(HEAD, [row])).rows[0]!;
  assert.ok(Number.isNaN(forecasts[0]!));
  assert.ok(Math.abs(forecasts[1]! + 60_000) < 32);
});

Deno.test("decodeTable() refuses what is no table", () => {
  const bytes = encodeTable(HEAD, [rowOf(1)]);
  const text = new TextDecoder("latin1").decode(bytes);
  const changed = text.replace("gate-table/1", "gate-table/9");
  assert.throws(
    () => decodeTable(Uint8Array.from(changed, (letter) => letter.charCodeAt(0))),
    /format is "driftline-gate-table\/9"/,
  );
  assert.throws(() => decodeTable(bytes.subarray(0, 40)), SyntaxError);
});
