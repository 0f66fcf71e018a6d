/// <reference lib="dom" />

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 160;
const HEIGHT = 34;
const MARGIN = 3;

/** Path of a small line over its own range; a missing value lifts the pen. */
export function sparklinePath(values: readonly (number | null)[]): string {
  const present = values.filter((value) => value !== null);
  if (present.length < 2) return "";
  const low = Math.min(...present);
  const high = Math.max(...present);
  const x = (i: number) => MARGIN + i * (WIDTH - 2 * MARGIN) / (values.length - 1);
  const y = (value: number) =>
    high === low
      ? HEIGHT / 2
      : HEIGHT - MARGIN - (value - low) * (HEIGHT - 2 * MARGIN) / (high - low);
  let pen = "M";
  const parts: string[] = [];
  values.forEach((value, i) => {
    if (value === null) {
      pen = "M";
      return;
    }
    parts.push(`${pen}${x(i).toFixed(1)} ${y(value).toFixed(1)}`);
    pen = "L";
  });
  return parts.join(" ");
}

/** A small line drawing of the last samples; its meaning stands in the row's other cells. */
export function sparkline(values: readonly (number | null)[]): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", sparklinePath(values));
  path.setAttribute("fill", "none");
  path.setAttribute("stroke", "currentColor");
  path.setAttribute("stroke-width", "1.5");
  path.setAttribute("stroke-linejoin", "round");
  path.setAttribute("vector-effect", "non-scaling-stroke");
  svg.append(path);
  return svg;
}
