/// <reference lib="dom" />
/** A small picture of an event: measured and expected values, and where the alert opened. */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 64;
const MARGIN = 4;

/** Half width of the band, in standard deviations: 95 % of normal errors. */
const BAND_SIGMAS = 1.96;

/** One sample of the picture; null is missing or unknown. */
export interface EventSample {
  readonly timeMs: number;
  readonly value: number | null;
  readonly expected: number | null;
  readonly scale: number | null;
}

/** Paths of the picture, in its own units; empty where nothing is known. */
export interface EventPaths {
  readonly value: string;
  readonly expected: string;
  /** One closed outline for each run of samples whose band is known. */
  readonly band: string;
  /** Where the alert opened, from the left; null outside the samples. */
  readonly markX: number | null;
}

/** The paths of a picture of these samples, oldest first. */
export function eventPaths(samples: readonly EventSample[], openedMs: number): EventPaths {
  const known = ({ expected, scale }: EventSample) => expected !== null && scale !== null;
  const edge = ({ expected, scale }: EventSample, sign: number) =>
    expected! + sign * BAND_SIGMAS * scale!;
  const heights = samples.flatMap(({ value, expected }) =>
    [value, expected].filter((height) => height !== null)
  );
  const first = samples[0]?.timeMs ?? 0;
  const last = samples.at(-1)?.timeMs ?? 0;
  if (heights.length === 0 || last <= first) {
    return { value: "", expected: "", band: "", markX: null };
  }
  // A band may be very wide while little is known: it is cut off at one range of the lines beyond.
  const span = Math.max(...heights) - Math.min(...heights);
  const edges = samples.filter(known).flatMap((sample) => [edge(sample, -1), edge(sample, 1)]);
  const low = Math.max(Math.min(...heights, ...edges), Math.min(...heights) - span);
  const high = Math.min(Math.max(...heights, ...edges), Math.max(...heights) + span);
  const bounded = (height: number) => Math.max(low, Math.min(high, height));
  const x = (timeMs: number) =>
    Number((MARGIN + (timeMs - first) * (WIDTH - 2 * MARGIN) / (last - first)).toFixed(1));
  const y = (height: number) =>
    high === low ? HEIGHT / 2 : Number(
      (HEIGHT - MARGIN - (bounded(height) - low) * (HEIGHT - 2 * MARGIN) / (high - low)).toFixed(1),
    );
  const line = (pick: (sample: EventSample) => number | null) => {
    let pen = "M";
    return samples.map((sample) => {
      const height = pick(sample);
      const part = height === null ? "" : `${pen}${x(sample.timeMs)} ${y(height)}`;
      pen = height === null ? "M" : "L";
      return part;
    }).join("");
  };
  const runs: EventSample[][] = [];
  for (const [i, sample] of samples.entries()) {
    if (!known(sample)) continue;
    if (i > 0 && known(samples[i - 1]!)) runs.at(-1)!.push(sample);
    else runs.push([sample]);
  }
  const outline = (run: readonly EventSample[]) =>
    [
      ...run.map((sample) => `${x(sample.timeMs)} ${y(edge(sample, 1))}`),
      ...run.toReversed().map((sample) => `${x(sample.timeMs)} ${y(edge(sample, -1))}`),
    ].join("L");
  return {
    value: line(({ value }) => value),
    expected: line(({ expected }) => expected),
    band: runs.map((run) => `M${outline(run)}Z`).join(""),
    markX: openedMs < first || openedMs > last ? null : x(openedMs),
  };
}

/** The picture as a drawing; the row's other cells say what it shows. */
export function eventChart(samples: readonly EventSample[], openedMs: number): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "event");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("aria-hidden", "true");
  const { markX, ...paths } = eventPaths(samples, openedMs);
  for (const kind of ["band", "expected", "value"] as const) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", kind);
    path.setAttribute("d", paths[kind]);
    svg.append(path);
  }
  if (markX !== null) {
    const mark = document.createElementNS(SVG, "line");
    mark.setAttribute("class", "mark");
    for (const end of ["x1", "x2"]) mark.setAttribute(end, String(markX));
    mark.setAttribute("y1", "0");
    mark.setAttribute("y2", String(HEIGHT));
    svg.append(mark);
  }
  return svg;
}
