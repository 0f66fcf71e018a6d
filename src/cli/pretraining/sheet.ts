import {
  drawSeries,
  generatorByName,
  type RealPack,
  type Recipe,
} from "../../../datasets/pretraining/mod.ts";
import { seedRandom } from "../../base/random.ts";

/** What a sheet shows. */
export interface SheetOptions {
  readonly recipe: Recipe;
  readonly real: RealPack | null;
  readonly seed: number;
  readonly count: number;
  /** One generator alone, without what the recipe does to its series. */
  readonly generator: string | undefined;
}

const COLUMNS = 4;
const WIDTH = 440;
const HEIGHT = 130;
const LENGTH = 864;

interface Pane {
  readonly values: Float64Array;
  readonly length: number;
  readonly observed: Uint8Array | null;
  readonly seasons: readonly [number, number];
}

function paneOf({ recipe, real, seed, generator }: SheetOptions, index: number): Pane {
  if (generator === undefined) return drawSeries(recipe, seed, index, LENGTH, real);
  const draft = generatorByName(generator).draw(seedRandom(seed * 65_537 + index), LENGTH);
  return { values: draft.values, length: draft.count, observed: null, seasons: draft.seasons };
}

/** One series as a line; it breaks where samples are missing. */
function lineOf({ values, length, observed }: Pane): string {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < length; i++) {
    if (Number.isNaN(values[i]!)) continue;
    low = Math.min(low, values[i]!);
    high = Math.max(high, values[i]!);
  }
  const scale = high > low ? (HEIGHT - 30) / (high - low) : 0;
  const x = (i: number) => (8 + i * (WIDTH - 16) / Math.max(1, length - 1)).toFixed(1);
  let path = "";
  let isDown = false;
  for (let i = 0; i < length; i++) {
    const isThere = !Number.isNaN(values[i]!) && observed?.[i] !== 0;
    if (isThere) {
      path += `${isDown ? "L" : "M"}${x(i)} ${
        (HEIGHT - 8 - (values[i]! - low) * scale).toFixed(1)
      }`;
    }
    // A lone sample still leaves a dot.
    if (isThere && !isDown) path += "h0.5";
    isDown = isThere;
  }
  return path;
}

/** Series side by side, each with its length and the seasons it is told, as SVG. */
export function contactSheet(options: SheetOptions): string {
  const height = Math.ceil(options.count / COLUMNS) * HEIGHT;
  const panes = Array.from({ length: options.count }, (_, k) => {
    const pane = paneOf(options, k);
    const [left, top] = [(k % COLUMNS) * WIDTH, Math.floor(k / COLUMNS) * HEIGHT];
    const seasons = pane.seasons.map((season) => Number(season.toFixed(1))).join(", ");
    return [
      `<g transform="translate(${left} ${top})">`,
      `<text x="8" y="13">${k}: ${pane.length} slots, seasons ${seasons}</text>`,
      `<path d="${lineOf(pane)}"/></g>`,
    ].join("");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${COLUMNS * WIDTH}" height="${height}" ` +
    `font-family="sans-serif" font-size="11">`,
    `<style>path{fill:none;stroke:#1a5fb4;stroke-width:1}</style>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...panes,
    "</svg>",
    "",
  ].join("\n");
}
