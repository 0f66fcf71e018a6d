/** Scores long-horizon forecasts as the published tables do. */
import { applyMap, ridgeMap } from "./least_squares.ts";
import { LOOKBACK, lookbackEquations, lookbackInto } from "./lookback.ts";
import { type MixtureEvidence, mixtureEvidence, mixtureShares } from "./mixture.ts";
import { featuresAt, type MemoryTrack, memoryTracks, readoutEquations } from "./readout.ts";
import type { LongSeries } from "./series.ts";

/** Samples ahead of the published tables. */
export const HORIZONS = [96, 192, 336, 720];

/** What is scored, in the order of the page. */
export const FORECASTERS = [
  "repeat last",
  "repeat day",
  "closed-form linear map",
  "memory readout",
  "ours, frozen",
  "ours, online",
] as const;

const LOOKBACK_RIDGES = [1e2, 1e3, 1e4, 1e5];
const READOUT_RIDGES = [1e3, 3e3, 1e4, 3e4];
/** Origins that the validation months are thinned to. */
const VALIDATION_STEP = 7;
/** Hours between the origins that the mixture learns from. */
const EVIDENCE_HOURS = 6;
/** Origins that are forecast at once. */
const BLOCK = 128;

/** Errors of one forecaster at one horizon, in deviations of the training months. */
export interface LongScore {
  readonly mse: number;
  readonly mae: number;
}

/** Scores of one series at one horizon. */
export interface LongFigures {
  readonly series: string;
  readonly horizon: number;
  readonly windows: number;
  readonly ridges: { readonly lookback: number; readonly readout: number };
  readonly scores: Readonly<Record<string, LongScore>>;
}

/** Forecasts of both maps at some origins of one column.                     [origin, horizon] */
type Forecast = (column: number, origins: readonly number[]) => Float64Array;

/** From `from` on, while all targets lie before `end`. */
function originsOf(from: number, end: number, horizon: number, step: number): number[] {
  const out: number[] = [];
  for (let origin = from - 1; origin < end - horizon; origin += step) out.push(origin);
  return out;
}

function blocks(origins: readonly number[]): (readonly number[])[] {
  const count = Math.ceil(origins.length / BLOCK);
  return Array.from({ length: count }, (_, i) => origins.slice(i * BLOCK, (i + 1) * BLOCK));
}

function addLevels(out: Float64Array, levels: readonly number[]): Float64Array {
  const horizon = out.length / levels.length;
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + levels[Math.trunc(i / horizon)]!;
  return out;
}

function lookbackForecast({ columns }: LongSeries, map: Float64Array): Forecast {
  return (column, origins) => {
    const x = columns[column]!;
    const inputs = new Float64Array(origins.length * LOOKBACK);
    for (const [r, origin] of origins.entries()) lookbackInto(inputs, r * LOOKBACK, x, origin);
    return addLevels(applyMap(inputs, map, origins.length), origins.map((origin) => x[origin]!));
  };
}

function readoutForecast(tracks: readonly MemoryTrack[], map: Float64Array): Forecast {
  return (column, origins) => {
    const track = tracks[column]!;
    const out = applyMap(featuresAt(track, origins), map, origins.length);
    return addLevels(out, origins.map((origin) => track.levels[origin]!));
  };
}

/** Mean squared error over the validation months. */
function validationError(series: LongSeries, horizon: number, forecast: Forecast): number {
  const { columns, trainEnd, validationEnd, samplesAnHour } = series;
  const step = VALIDATION_STEP * samplesAnHour;
  const origins = originsOf(trainEnd, validationEnd, horizon, step);
  let sum = 0;
  for (const [c, x] of columns.entries()) {
    for (const block of blocks(origins)) {
      const out = forecast(c, block);
      for (let i = 0; i < out.length; i++) {
        sum += (out[i]! - x[block[Math.trunc(i / horizon)]! + 1 + i % horizon]!) ** 2;
      }
    }
  }
  return sum / (columns.length * origins.length * horizon);
}

/** The forecast with the ridge that the validation months prefer. */
function chosen(
  ridges: readonly number[],
  forecastOf: (ridge: number) => Forecast,
  errorOf: (forecast: Forecast) => number,
): { forecast: Forecast; ridge: number } {
  const tried = ridges.map((ridge) => {
    const forecast = forecastOf(ridge);
    return { forecast, ridge, error: errorOf(forecast) };
  });
  return tried.reduce((best, one) => one.error < best.error ? one : best);
}

/** What the pairs of forecasts of one column say, from the validation months on. */
function evidenceOf(
  { columns, trainEnd, testEnd, samplesAnHour }: LongSeries,
  horizon: number,
  column: number,
  [first, second]: readonly [Forecast, Forecast],
): MixtureEvidence[] {
  const x = columns[column]!;
  const origins = originsOf(trainEnd, testEnd, horizon, EVIDENCE_HOURS * samplesAnHour);
  return blocks(origins).flatMap((block) => {
    const a = first(column, block);
    const b = second(column, block);
    return block.map((origin, r) => {
      const from = r * horizon;
      const target = x.subarray(origin + 1, origin + 1 + horizon);
      const end = from + horizon;
      return mixtureEvidence(origin, a.subarray(from, end), b.subarray(from, end), target);
    });
  });
}

/** Adds the absolute and squared errors of every forecaster over one block. */
function addErrors(
  errors: { readonly squared: Float64Array; readonly absolute: Float64Array },
  x: Float64Array,
  day: number,
  block: { origins: readonly number[]; a: Float64Array; b: Float64Array; shares: Float64Array },
): void {
  const { origins, a, b, shares } = block;
  const horizon = a.length / origins.length;
  const { squared, absolute } = errors;
  const note = (k: number, error: number) => {
    squared[k] = squared[k]! + error * error;
    absolute[k] = absolute[k]! + Math.abs(error);
  };
  for (const [r, origin] of origins.entries()) {
    const share = shares[r]!;
    for (let j = 0; j < horizon; j++) {
      const target = x[origin + 1 + j]!;
      const first = a[r * horizon + j]!;
      const second = b[r * horizon + j]!;
      note(0, x[origin]! - target);
      note(1, x[origin + 1 - day + j % day]! - target);
      note(2, first - target);
      note(3, second - target);
      note(4, (first + second) / 2 - target);
      note(5, first + share * (second - first) - target);
    }
  }
}

/** Fits on the training months, chooses on the validation months, scores the test months. */
export function measureHorizon(
  series: LongSeries,
  tracks: readonly MemoryTrack[],
  horizon: number,
): LongFigures {
  const { columns, samplesADay, samplesAnHour, trainEnd, validationEnd, testEnd } = series;
  const errorOf = (forecast: Forecast) => validationError(series, horizon, forecast);
  const count = Math.ceil((trainEnd - horizon - LOOKBACK + 1) / samplesAnHour);
  const windows = { first: 0, count, stride: samplesAnHour };
  const map = lookbackEquations(columns, horizon, windows);
  const readout = readoutEquations(series, tracks, horizon);
  const first = chosen(
    LOOKBACK_RIDGES,
    (ridge) => lookbackForecast(series, ridgeMap(map, ridge)),
    errorOf,
  );
  const second = chosen(
    READOUT_RIDGES,
    (ridge) => readoutForecast(tracks, ridgeMap(readout, ridge)),
    errorOf,
  );
  const origins = originsOf(validationEnd, testEnd, horizon, 1);
  const errors = {
    squared: new Float64Array(FORECASTERS.length),
    absolute: new Float64Array(FORECASTERS.length),
  };
  const spacing = EVIDENCE_HOURS * samplesAnHour;
  for (const [c, x] of columns.entries()) {
    const evidence = evidenceOf(series, horizon, c, [first.forecast, second.forecast]);
    const shares = mixtureShares(evidence, origins, { horizon, spacing, samplesADay });
    blocks(origins).forEach((block, i) =>
      addErrors(errors, x, samplesADay, {
        origins: block,
        a: first.forecast(c, block),
        b: second.forecast(c, block),
        shares: shares.subarray(i * BLOCK, i * BLOCK + block.length),
      })
    );
  }
  const total = columns.length * origins.length * horizon;
  const scores = FORECASTERS.map((name, k) =>
    [name, { mse: errors.squared[k]! / total, mae: errors.absolute[k]! / total }] as const
  );
  return {
    series: series.name,
    horizon,
    windows: origins.length,
    ridges: { lookback: first.ridge, readout: second.ridge },
    scores: Object.fromEntries(scores),
  };
}

/** Every horizon of a series. */
export function measureLong(series: LongSeries, onProgress: () => void): LongFigures[] {
  const tracks = memoryTracks(series);
  return HORIZONS.map((horizon) => {
    const figures = measureHorizon(series, tracks, horizon);
    onProgress();
    return figures;
  });
}
