/// <reference lib="dom" />
/** Small drawings of lines over one axis; the figures beside them say what they show. */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 720;
const MARGIN = 3;

/** A line: values at places that increase. A missing value lifts the pen. */
export interface PlotLine {
  /** Class of the path, which gives it its colour. */
  readonly kind: string;
  readonly xs: readonly number[];
  readonly ys: readonly (number | null)[];
}

/** Range of all values of some lines; null where there are none. */
export function rangeOf(lines: readonly PlotLine[]): readonly [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (const { ys } of lines) {
    for (const y of ys) {
      if (y === null) continue;
      low = Math.min(low, y);
      high = Math.max(high, y);
    }
  }
  return low <= high ? [low, high] : null;
}

/**
 * Paths of lines in one frame, from the first place of all to the last.
 *
 * @param range  values at the bottom and at the top
 * @returns      one path a line; empty where it has no value
 */
export function plotPaths(
  lines: readonly PlotLine[],
  range: readonly [number, number],
  height: number,
): string[] {
  const xs = lines.flatMap((line) => [line.xs[0] ?? Infinity, line.xs.at(-1) ?? -Infinity]);
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = range;
  const at = (value: number) => Number(value.toFixed(1));
  const x = (place: number) =>
    at(MARGIN + (last > first ? (place - first) / (last - first) : 0.5) * (WIDTH - 2 * MARGIN));
  const y = (value: number) =>
    at(height - MARGIN - (high > low ? (value - low) / (high - low) : 0.5) * (height - 2 * MARGIN));
  return lines.map((line) => {
    let pen = "M";
    return line.ys.map((value, i) => {
      const part = value === null ? "" : `${pen}${x(line.xs[i]!)} ${y(value)}`;
      pen = value === null ? "M" : "L";
      return part;
    }).join("");
  });
}

/** The drawing. */
export function linePlot(
  lines: readonly PlotLine[],
  range: readonly [number, number],
  height: number,
): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "lines");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  plotPaths(lines, range, height).forEach((d, i) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", lines[i]!.kind);
    path.setAttribute("d", d);
    svg.append(path);
  });
  return svg;
}
