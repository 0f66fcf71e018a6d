import assert from "node:assert/strict";
import { lineChart, shortNumber } from "../../../bench/report/line_chart.ts";

const chart = {
  title: "Cost & length",
  xLabel: "samples",
  yLabel: "ms",
  series: [
    { name: "a", points: [[256, 1], [1024, 10]] },
    { name: "b", points: [[256, 10], [1024, 10.1]] },
  ] as const,
};

/** Places of the circles, in order. */
function circles(svg: string): [number, number][] {
  return [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)]
    .map(([, x, y]) => [Number(x), Number(y)]);
}

Deno.test("lineChart() puts larger values higher and further right", () => {
  const [first, second] = circles(lineChart(chart)) as [[number, number], [number, number]];
  assert.ok(second[0] > first[0] && second[1] < first[1]);
});

Deno.test("lineChart() labels axes and lines, without one name over another", () => {
  const svg = lineChart(chart);
  for (const label of ["samples", "ms", "Cost &amp; length", "256", "1024"]) {
    assert.ok(svg.includes(`>${label}<`), label);
  }
  const ends = [...svg.matchAll(/<text style="fill:#\w+" x="[\d.]+" y="([\d.]+)"/g)]
    .map(([, y]) => Number(y));
  assert.ok(Math.abs(ends[0]! - ends[1]!) >= 15);
  assert.match(svg, /prefers-color-scheme:dark/);
});

Deno.test("lineChart() refuses what a logarithm cannot show", () => {
  assert.throws(() => lineChart({ ...chart, series: [] }), /no points/);
  const series = [{ name: "a", points: [[1, 0]] as const }];
  assert.throws(() => lineChart({ ...chart, series }), /has the value 0/);
});

Deno.test("shortNumber() uses units of a thousand", () => {
  const values = [65_536, 262_144, 1e6, 0.01, 2.5e9];
  assert.deepEqual(values.map(shortNumber), ["65536", "262k", "1M", "0.01", "2.5G"]);
});
