/** docs/long_horizons.md, from a record. */
import { FORECASTERS, type LongFigures } from "./measure.ts";

/** What was measured in one run. */
export interface LongRecord {
  /** Hash of the code that fits and scores. */
  readonly code: string;
  readonly commit: string;
  readonly machine: string;
  readonly date: string;
  readonly figures: readonly LongFigures[];
}

const BASELINE: typeof FORECASTERS[number] = "closed-form linear map";
const OURS: readonly typeof FORECASTERS[number][] = [
  "memory readout",
  "ours, frozen",
  "ours, online",
];

/** MSE / MAE at 96, 192, 336 and 720, as their authors or LTSF-Linear's benchmark printed them. */
const PUBLISHED: Readonly<Record<string, readonly (readonly string[])[]>> = {
  ETTh1: [
    ["NLinear", "0.374 / 0.394", "0.408 / 0.415", "0.429 / 0.427", "0.440 / 0.453"],
    ["DLinear", "0.375 / 0.399", "0.405 / 0.416", "0.439 / 0.443", "0.472 / 0.490"],
    ["FEDformer", "0.376 / 0.419", "0.420 / 0.448", "0.459 / 0.465", "0.506 / 0.507"],
    ["S-Mamba", "0.386 / 0.405", "0.443 / 0.437", "0.489 / 0.468", "0.502 / 0.489"],
    ["iTransformer", "0.386 / 0.405", "0.441 / 0.436", "0.487 / 0.458", "0.503 / 0.491"],
    ["PatchTST, look-back 96", "0.414 / 0.419", "0.460 / 0.445", "0.501 / 0.466", "0.500 / 0.488"],
    ["TTM-r2, zero-shot, look-back 1536", "0.357 / –", "0.386 / –", "0.405 / –", "0.435 / –"],
    ["Time-MoE-50M, zero-shot", "0.357 / 0.382", "0.385 / 0.405", "0.412 / 0.434", "0.449 / 0.477"],
  ],
  ETTm1: [
    ["NLinear", "0.306 / 0.348", "0.349 / 0.375", "0.375 / 0.388", "0.433 / 0.422"],
    ["DLinear", "0.299 / 0.343", "0.335 / 0.365", "0.369 / 0.386", "0.425 / 0.421"],
    ["FEDformer", "0.379 / 0.419", "0.426 / 0.441", "0.445 / 0.459", "0.543 / 0.490"],
    ["S-Mamba", "0.333 / 0.368", "0.376 / 0.390", "0.408 / 0.413", "0.475 / 0.448"],
    ["iTransformer", "0.334 / 0.368", "0.377 / 0.391", "0.426 / 0.420", "0.491 / 0.459"],
    ["PatchTST, look-back 96", "0.329 / 0.367", "0.367 / 0.385", "0.399 / 0.410", "0.454 / 0.439"],
    ["TTM-r2, zero-shot, look-back 1536", "0.327 / –", "0.353 / –", "0.387 / –", "0.399 / –"],
  ],
};

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = header.map((_, i) => i === 0 ? "---" : "--:");
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

function bySeries(figures: readonly LongFigures[]): [string, LongFigures[]][] {
  const names = [...new Set(figures.map(({ series }) => series))];
  return names.map((name) => [name, figures.filter(({ series }) => series === name)]);
}

/** MSE of a forecaster, times the baseline's, by horizon, and the mean of these. */
function ratiosOf(figures: readonly LongFigures[], name: string) {
  const ratios = figures.map(({ scores }) => scores[name]!.mse / scores[BASELINE]!.mse);
  return { ratios, mean: ratios.reduce((sum, value) => sum + value, 0) / ratios.length };
}

function ratioTable(figures: readonly LongFigures[]): string {
  const rows = bySeries(figures).flatMap(([series, own]) =>
    OURS.map((name) => {
      const { ratios, mean } = ratiosOf(own, name);
      return [`${series}, ${name}`, ...[...ratios, mean].map((value) => value.toFixed(3))];
    })
  );
  const horizons = bySeries(figures)[0]![1].map(({ horizon }) => String(horizon));
  return table(["MSE, times the linear map's", ...horizons, "mean"], rows);
}

function scoreTable(series: string, figures: readonly LongFigures[]): string {
  const rows = FORECASTERS.map((name) => [
    name,
    ...figures.map(({ scores }) =>
      `${scores[name]!.mse.toFixed(3)} / ${scores[name]!.mae.toFixed(3)}`
    ),
  ]);
  const published = (PUBLISHED[series] ?? []).map(([name, ...cells]) => [
    `_${name}_`,
    ...cells,
  ]);
  const header = [`${series}, MSE / MAE`, ...figures.map(({ horizon }) => String(horizon))];
  return table(header, [...rows, ...published]);
}

function goal(figures: readonly LongFigures[]): string {
  const rows = (["ours, frozen", "ours, online"] as const).map((name) => {
    const { ratios, mean } = ratiosOf(figures, name);
    return [name, "≤ 1.00", "≤ 0.93", mean.toFixed(3), Math.max(...ratios).toFixed(3)];
  });
  return table(
    ["MSE, times the linear map's", "wanted", "reach for", "mean", "worst horizon"],
    rows,
  );
}

const INTRO = `# Long horizons

This page is written by \`deno task evaluate:long\`; a test holds it current. The data is that of
DRIFTLINE_SHARED (\`ett\` in its data folder), the result in \`bench/results/long_horizons.json\`.
The protocol is the one of the published tables: months of 30 days, 12 to train, 4 to validate, 4 to
test; all columns, each standardised by its training months; a forecast from every sample of the
test months; errors in standardised units. The forecasters of this page are measured here and are
not among the [models that serve](models_that_serve.md).`;

const FORECASTS =
  `- **Closed-form linear map**: one map of the newest 336 samples, less the last, on
  the horizon, shared by the columns; ridge chosen on the validation months (NLinear, solved).
- **Memory readout**: a linear readout, shared by the columns, of a memory of constant size: means
  over 2 h to 7 days, eight harmonics of the day at three damping times (S4D), the newest 12
  samples. Forecasts are told from the week's mean; in the fit, loud times weigh less. Nothing of
  the validation months is in a map but its ridge.
- **Ours, frozen**: the mean of these two.
- **Ours, online**: the same two maps, and each column's share of them by least squares over
  discounted forecasts (30 days) that have come due, from the validation months on. A forecast
  counts only from the sample on at which its last target is known; none looks ahead. This is what
  a service can do and a frozen table cannot, so both are given.
- _In italics_: published figures. NLinear, DLinear and FEDformer with their best look-back, the
  other trained ones with one of 96 samples; they learn on the same months.`;

/**
 * The page; says so where nothing was measured.
 *
 * @param findings  what was found out, in Markdown; may be empty
 */
export function longPage(record: LongRecord | null, findings: string): string {
  if (record === null) return `${INTRO}\n\n_Nothing is measured._\n`;
  const sections = [
    INTRO,
    "## What was to be reached",
    goal(record.figures),
    ratioTable(record.figures),
    `Measured ${record.date.slice(0, 10)} on ${record.machine} at ${record.commit}.`,
    "## What is compared",
    FORECASTS,
    "## Errors",
    ...bySeries(record.figures).map(([name, own]) => scoreTable(name, own)),
    ...(findings === "" ? [] : ["## Where it is weak", findings]),
  ];
  return `${sections.join("\n\n")}\n`;
}
