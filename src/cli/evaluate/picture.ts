/**
 * Small SVG pictures with a linear vertical axis. They follow the reader's colour scheme by a media
 * query, since a page shows them as images.
 */

/** One line or one kind of dot. */
export interface PictureSeries {
  readonly name: string;
  /** A gap is left where y is not finite. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a picture shows. */
export interface Picture {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly PictureSeries[];
  /** Places on the x axis that have a name; others have none. */
  readonly ticks: readonly (readonly [x: number, name: string])[];
  /** Horizontal lines that mean something: 1 for a ratio, 0.8 for a coverage. */
  readonly marks: readonly number[];
  /** True draws dots alone, false joins them. */
  readonly isScatter?: boolean;
  /** Areas behind the lines: lower and upper border at each x. */
  readonly bands?: readonly (readonly (readonly [x: number, low: number, high: number])[])[];
}

const WIDTH = 760;
const MARGIN = { left: 60, right: 170, top: 40 };
const PLOT_HEIGHT = 300;
const COLOURS = ["#3b82c4", "#d9822b", "#2f9e63", "#b05cc6", "#c74747", "#8a8f2a", "#5f7f8f"];
const BAND_COLOUR = COLOURS[1]!;
const NAME_HEIGHT = 15;
const GRID_LINES = 5;
/** Names on the x axis longer than this are turned. */
const LEVEL_NAME_MAX = 6;

const STYLE = [
  "text{font:12px system-ui,sans-serif;fill:#333}",
  ".title{font-size:14px;font-weight:600}",
  ".grid{stroke:#8884;stroke-width:1}",
  ".mark{stroke:#888;stroke-width:1.5;stroke-dasharray:5 4}",
  "@media(prefers-color-scheme:dark){text{fill:#ccc}}",
].join("");

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A round distance between grid lines: 1, 2 or 5 times a power of ten. */
function stepOf(span: number): number {
  const rough = span / GRID_LINES;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

/** Heights for names, none closer than a line of text, in the order of the wanted ones. */
function spread(wanted: readonly number[]): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const heights = [...wanted];
  for (let k = 1; k < order.length; k++) {
    heights[order[k]!] = Math.max(heights[order[k]!]!, heights[order[k - 1]!]! + NAME_HEIGHT);
  }
  return heights;
}

/** Maps of both axes into the picture. */
interface Frame {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly low: number;
  readonly high: number;
  readonly step: number;
}

function frameOf({ series, marks, ticks, bands = [] }: Picture): Frame {
  const points = series.flatMap((one) => one.points);
  const xs = [...points.map(([x]) => x), ...ticks.map(([x]) => x)];
  const borders = bands.flat().flatMap(([, low, high]) => [low, high]);
  const ys = [...points.map(([, y]) => y), ...marks, ...borders].filter(Number.isFinite);
  const [min, max] = [Math.min(...ys), Math.max(...ys)];
  const step = stepOf(max > min ? max - min : Math.abs(max) || 1);
  const [low, high] = [Math.floor(min / step) * step, Math.ceil(max / step) * step];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const plotWidth = WIDTH - MARGIN.left - MARGIN.right;
  return {
    x: (value) => MARGIN.left + plotWidth * (value - left) / Math.max(right - left, 1e-9),
    y: (value) => MARGIN.top + PLOT_HEIGHT * (high - value) / Math.max(high - low, 1e-9),
    low,
    high,
    step,
  };
}

const at = (value: number) => value.toFixed(1);

function gridLines({ marks }: Picture, { y, low, high, step }: Frame): string[] {
  const right = WIDTH - MARGIN.right;
  const line = (value: number, kind: string) =>
    `<line class="${kind}" x1="${MARGIN.left}" x2="${right}" y1="${at(y(value))}" ` +
    `y2="${at(y(value))}"/>`;
  const count = Math.round((high - low) / step);
  const grid = Array.from({ length: count + 1 }, (_, i) => low + i * step);
  return [
    ...grid.flatMap((value) => [
      line(value, "grid"),
      `<text x="${MARGIN.left - 8}" y="${at(y(value))}" dy="4" text-anchor="end">` +
      `${Number(value.toPrecision(6))}</text>`,
    ]),
    ...marks.map((value) => line(value, "mark")),
  ];
}

function tickNames({ ticks }: Picture, { x }: Frame): { readonly lines: string[]; room: number } {
  const longest = Math.max(0, ...ticks.map(([, name]) => name.length));
  const isTurned = longest > LEVEL_NAME_MAX;
  const top = MARGIN.top + PLOT_HEIGHT;
  const lines = ticks.map(([value, name]) =>
    isTurned
      ? `<text transform="translate(${at(x(value) + 4)} ${top + 10}) rotate(-60)" ` +
        `text-anchor="end">${escaped(name)}</text>`
      : `<text x="${at(x(value))}" y="${top + 18}" text-anchor="middle">${escaped(name)}</text>`
  );
  return { lines, room: isTurned ? 20 + 6 * longest : 24 };
}

function bandPaths({ bands = [] }: Picture, { x, y }: Frame): string[] {
  return bands.map((band) => {
    const upper = band.map(([px, , high]) => `${at(x(px))} ${at(y(high))}`);
    const lower = band.map(([px, low]) => `${at(x(px))} ${at(y(low))}`).reverse();
    return `<path fill="${BAND_COLOUR}" fill-opacity=".18" d="M${
      [...upper, ...lower].join("L")
    }Z"/>`;
  });
}

function seriesMarks(picture: Picture, { x, y }: Frame): string[] {
  const { series, isScatter = false } = picture;
  const shown = series.map(({ points }) => points.filter(([, value]) => Number.isFinite(value)));
  const names = isScatter
    ? series.map((_, i) => MARGIN.top + 8 + i * NAME_HEIGHT)
    : spread(shown.map((points) => points.length > 0 ? y(points.at(-1)![1]) : MARGIN.top));
  const nameX = WIDTH - MARGIN.right + 12;
  return series.flatMap(({ name, points: all }, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const points = shown[i]!;
    const path = all.map(([px, py], k) => {
      if (!Number.isFinite(py)) return "";
      const isJoined = k > 0 && Number.isFinite(all[k - 1]![1]);
      return `${isJoined ? "L" : "M"}${at(x(px))} ${at(y(py))}`;
    });
    const isDotted = isScatter || points.length <= 40;
    return [
      ...(isScatter || points.length === 0 ? [] : [
        `<path fill="none" stroke="${colour}" stroke-width="2" d="${path.join("")}"/>`,
      ]),
      ...(isDotted
        ? points.map(([px, py]) =>
          `<circle cx="${at(x(px))}" cy="${at(y(py))}" r="3" fill="${colour}"/>`
        )
        : []),
      `<text style="fill:${colour}" x="${nameX}" y="${at(names[i]!)}" dy="4">` +
      `${escaped(name)}</text>`,
    ];
  });
}

/**
 * Draws a picture as SVG text.
 *
 * @throws {RangeError} there is nothing to draw
 */
export function drawPicture(picture: Picture): string {
  const isEmpty = !picture.series.some(({ points }) =>
    points.some(([, value]) => Number.isFinite(value))
  );
  if (isEmpty) throw new RangeError(`Picture "${picture.title}" has no points`);
  const frame = frameOf(picture);
  const { lines, room } = tickNames(picture, frame);
  const height = MARGIN.top + PLOT_HEIGHT + room + 28;
  const middle = (MARGIN.left + WIDTH - MARGIN.right) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escaped(picture.title)}</title><style>${STYLE}</style>`,
    `<text class="title" x="${MARGIN.left}" y="22">${escaped(picture.title)}</text>`,
    ...gridLines(picture, frame),
    ...lines,
    `<text x="${middle}" y="${height - 8}" text-anchor="middle">${escaped(picture.xLabel)}</text>`,
    `<text transform="translate(14 ${MARGIN.top + PLOT_HEIGHT / 2}) rotate(-90)" ` +
    `text-anchor="middle">${escaped(picture.yLabel)}</text>`,
    ...bandPaths(picture, frame),
    ...seriesMarks(picture, frame),
    "</svg>",
    "",
  ].join("\n");
}
