/**
 * Line charts as small SVG files, both axes logarithmic. They follow the reader's colour scheme by a
 * media query, since a page shows them as images: lines have one colour for both, chosen to be seen
 * on white and on near-black.
 */

/** One line of a chart. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a chart shows. */
export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

const WIDTH = 720;
const HEIGHT = 380;
const MARGIN = { left: 74, right: 190, top: 40, bottom: 52 };
const COLOURS = ["#3b82c4", "#d9822b", "#2f9e63", "#b05cc6", "#c74747", "#8a8f2a", "#5f7f8f"];
/** Least distance between two names at the lines' ends. */
const NAME_HEIGHT = 15;

const STYLE = [
  "text{font:12px system-ui,sans-serif;fill:#333}",
  ".title{font-size:14px;font-weight:600}",
  ".grid{stroke:#8884;stroke-width:1}",
  ".axis{stroke:#888;stroke-width:1}",
  "@media(prefers-color-scheme:dark){text{fill:#ccc}}",
].join("");

/** Powers of ten that enclose positive values; at least one decade. */
function decades(values: readonly number[]): [low: number, high: number] {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.ceil(Math.log10(Math.max(...values)));
  return [low, Math.max(high, low + 1)];
}

/** A number in few characters: 0.01, 65536, 1M. */
export function shortNumber(value: number): string {
  const units: readonly (readonly [number, string])[] = [[1e9, "G"], [1e6, "M"], [1e5, "k"]];
  for (const [size, unit] of units) {
    const scale = unit === "k" ? 1e3 : size;
    if (value >= size) return `${Number((value / scale).toPrecision(3))}${unit}`;
  }
  return `${Number(value.toPrecision(Number.isInteger(value) ? 5 : 3))}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Heights for the names, in the order of the wanted ones, none closer than NAME_HEIGHT. */
function spread(wanted: readonly number[]): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const heights = [...wanted];
  for (let k = 1; k < order.length; k++) {
    const above = heights[order[k - 1]!]!;
    heights[order[k]!] = Math.max(heights[order[k]!]!, above + NAME_HEIGHT);
  }
  return heights;
}

/** Places on the x axis that get a label: the points' own, or the decades where they are many. */
function ticksOf(values: readonly number[], [low, high]: readonly [number, number]): number[] {
  const own = [...new Set(values)].sort((a, b) => a - b);
  if (own.length <= 10) return own;
  return Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
}

/**
 * Draws a chart.
 *
 * @throws {RangeError} a value is not positive, or there is nothing to draw
 */
export function lineChart({ title, xLabel, yLabel, series }: Chart): string {
  const xs = series.flatMap(({ points }) => points.map(([x]) => x));
  const ys = series.flatMap(({ points }) => points.map(([, y]) => y));
  if (xs.length === 0) throw new RangeError(`Chart "${title}" has no points`);
  for (const value of [...xs, ...ys]) {
    if (!(value > 0)) throw new RangeError(`Chart "${title}" has the value ${value}`);
  }
  const [xLow, xHigh] = [Math.log10(Math.min(...xs)), Math.log10(Math.max(...xs))];
  const [yLow, yHigh] = decades(ys);
  const plotWidth = WIDTH - MARGIN.left - MARGIN.right;
  const plotHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
  const span = Math.max(xHigh - xLow, 1e-9);
  const xOf = (x: number) => MARGIN.left + plotWidth * (Math.log10(x) - xLow) / span;
  const yOf = (y: number) => MARGIN.top + plotHeight * (yHigh - Math.log10(y)) / (yHigh - yLow);
  const right = WIDTH - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const at = (value: number) => value.toFixed(1);
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">`,
    `<title>${escaped(title)}</title><style>${STYLE}</style>`,
    `<text class="title" x="${MARGIN.left}" y="22">${escaped(title)}</text>`,
  ];
  for (let power = yLow; power <= yHigh; power++) {
    const y = at(yOf(10 ** power));
    out.push(`<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${y}" y2="${y}"/>`);
    const label = shortNumber(10 ** power);
    out.push(`<text x="${MARGIN.left - 8}" y="${y}" dy="4" text-anchor="end">${label}</text>`);
  }
  for (const tick of ticksOf(xs, decades(xs))) {
    if (Math.log10(tick) < xLow - 1e-9 || Math.log10(tick) > xHigh + 1e-9) continue;
    const x = at(xOf(tick));
    out.push(`<line class="grid" x1="${x}" x2="${x}" y1="${MARGIN.top}" y2="${bottom}"/>`);
    const label = shortNumber(tick);
    out.push(`<text x="${x}" y="${bottom + 18}" text-anchor="middle">${label}</text>`);
  }
  out.push(
    `<path class="axis" fill="none" d="M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}"/>`,
    `<text x="${(MARGIN.left + right) / 2}" y="${HEIGHT - 12}" text-anchor="middle">` +
      `${escaped(xLabel)}</text>`,
    `<text transform="translate(16 ${(MARGIN.top + bottom) / 2}) rotate(-90)" ` +
      `text-anchor="middle">${escaped(yLabel)}</text>`,
  );
  const names = spread(series.map(({ points }) => yOf(points.at(-1)![1])));
  series.forEach(({ name, points }, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const path = points.map(([x, y], k) => `${k === 0 ? "M" : "L"}${at(xOf(x))} ${at(yOf(y))}`);
    out.push(`<path fill="none" stroke="${colour}" stroke-width="2" d="${path.join("")}"/>`);
    for (const [x, y] of points) {
      out.push(`<circle cx="${at(xOf(x))}" cy="${at(yOf(y))}" r="2.5" fill="${colour}"/>`);
    }
    const [lastX] = points.at(-1)!;
    out.push(
      `<text style="fill:${colour}" x="${at(xOf(lastX) + 8)}" y="${at(names[i]!)}" dy="4">` +
        `${escaped(name)}</text>`,
    );
  });
  return [...out, "</svg>", ""].join("\n");
}
