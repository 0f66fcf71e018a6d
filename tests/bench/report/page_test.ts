import assert from "node:assert/strict";
import { pageOf } from "../../../bench/report/page.ts";
import type { Stored } from "../../../bench/report/stored.ts";
import { stored } from "./_stored.ts";

Deno.test("pageOf() fills the template with tables and their source", () => {
  const { text, images } = pageOf("# T\n\n{{issue}}\n{{targets}}\n{{ceilings}}", stored);
  assert.match(text, /\| matmul 4096,4096,4096 \| 2.664 \| 201 \| 137 \| 2.6 f32 \| 98 % \| 1 /);
  assert.match(text, /`deno run` on card \(host\), deno 1, 2026-01-02 at abc\./);
  assert.match(text, /2 TB\/s, 26 T f32 instructions\/s and 4 T exp2\/s/);
  assert.ok(images["perf_state.svg"]!.includes("matmul"));
  const charts = pageOf("{{stateChart}} {{streamsChart}}", stored).text;
  assert.match(charts, /^!\[.+\]\(img\/perf_state.svg\) _Nothing is stored._$/);
});

Deno.test("pageOf() says where nothing is stored", () => {
  const nothing: Stored = {};
  const { text, images } = pageOf("{{issue}}{{crossover}}{{cpu}}{{curves}}{{ceilings}}", nothing);
  assert.equal(text, "_Nothing is stored._".repeat(4));
  assert.deepEqual(images, {});
});

Deno.test("pageOf() refuses a place that it does not know", () => {
  assert.throws(() => pageOf("{{nothing_such}}", {}), /no part "nothing_such"/);
});
