import assert from "node:assert/strict";
import { drawPicture, type Picture } from "../../../src/cli/evaluate/picture.ts";

const PICTURE: Picture = {
  title: "Errors & <leads>",
  xLabel: "lead",
  yLabel: "error",
  ticks: [[0, "1"], [1, "2"], [2, "4"]],
  marks: [1],
  series: [{ name: "a", points: [[0, 0.5], [1, 0.75], [2, NaN]] }, {
    name: "b",
    points: [[0, 1.5], [1, 1.5], [2, 1.5]],
  }],
};

function numbers(svg: string, attribute: string): number[] {
  return [...svg.matchAll(new RegExp(`<circle[^>]* ${attribute}="([^"]+)"`, "g"))]
    .map(([, text]) => Number(text));
}

Deno.test("drawPicture() places every finite point, higher values higher", () => {
  const svg = drawPicture(PICTURE);
  const [heights, places] = [numbers(svg, "cy"), numbers(svg, "cx")];
  assert.equal(heights.length, 5);
  assert.ok(heights[0]! > heights[1]! && heights[1]! > heights[2]!);
  assert.equal(places[0], places[2]);
  assert.ok(svg.includes("Errors &amp; &lt;leads&gt;"));
  assert.equal(svg.match(/class="mark"/g)!.length, 1);
  assert.ok(!svg.includes("NaN"));
});

Deno.test("drawPicture() joins points unless they are scattered, and draws bands", () => {
  const lines = (svg: string) => svg.match(/<path fill="none"/g)?.length ?? 0;
  assert.equal(lines(drawPicture(PICTURE)), 2);
  assert.equal(lines(drawPicture({ ...PICTURE, isScatter: true })), 0);
  const banded = drawPicture({ ...PICTURE, bands: [[[0, 0, 3], [1, 0, 3]]] });
  assert.match(banded, /fill-opacity="\.18"/);
  assert.match(banded, />3</);
});

Deno.test("drawPicture() leaves a gap where there is no value", () => {
  const points = [[0, 1], [1, 1], [2, NaN], [3, 2], [4, 2]] as const;
  const svg = drawPicture({ ...PICTURE, series: [{ name: "a", points }] });
  const path = /<path fill="none"[^>]* d="([^"]+)"/.exec(svg)![1]!;
  assert.equal(path.replaceAll(/[^ML]/g, ""), "MLML");
});

Deno.test("drawPicture() turns long names and holds values that are all equal", () => {
  const svg = drawPicture({
    ...PICTURE,
    ticks: [[0, "a_long_name"]],
    series: [{ name: "a", points: [[0, 2]] }],
    marks: [],
  });
  assert.match(svg, /rotate\(-60\)/);
  assert.ok(!svg.includes("NaN"));
  assert.throws(
    () => drawPicture({ ...PICTURE, series: [{ name: "a", points: [[0, NaN]] }] }),
    /has no points/,
  );
});
