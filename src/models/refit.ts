import { calibrate, widenSizes } from "./calibrate.ts";
import { rests } from "./climate.ts";
import { fitClimate } from "./climate_fit.ts";
import { combineAnew } from "./combine.ts";
import { carriedSetting, carryOver } from "./carry.ts";
import { fitDependence } from "./dependence.ts";
import { denormalised, type EnsembleState, newestSlot } from "./ensemble_run.ts";
import { toTrackUnits } from "./filter_track.ts";
import { leadBuckets } from "./losses.ts";
import { FILTER_KINDS, isTransformed } from "./members.ts";
import { fitFan } from "./neural_fan.ts";
import {
  FIT_SAMPLES_MIN,
  type FitRecord,
  meanOf,
  type RefitInput,
  seasonRowsOf,
  type Setting,
  settingOf,
} from "./refit_setting.ts";
import { judged, naiveScaleOf, replay, thinPending } from "./replay.ts";
import { fitSeries, fitStructural } from "./structural_fit.ts";
import { structuralLayout, THETA } from "./structural_layout.ts";

/** Fits that are kept: origins of the replay use the newest one that was known to them. */
export const FIT_RECORDS_MAX = 3;

/**
 * A fit sees this many of the newest samples, or this many of the longest season if that is more.
 * Of a context 1,000 samples cost 0.003 in MASE over the 100 development windows tried; a stream
 * that is served goes on from what earlier samples have said.
 */
const FIT_SAMPLES = { context: 1500, served: 1000 };
const FIT_SEASONS = 4;

/**
 * Errors to come beside those of a replay whose forecasts are combined by the weights of its end,
 * which were learned from them (docs/evidence/fans.md).
 */
const HINDSIGHT = 1.05;

/** Fits all filters on the newest of the first `count` samples. */
function fitAll(setting: Setting, count: number, warm: Float64Array | null): Float64Array {
  const { input, us, seasons } = setting;
  const longest = seasons.at(-1)?.length ?? 0;
  const isServed = input.prefixes.length === 0;
  const most = isServed ? FIT_SAMPLES.served : FIT_SAMPLES.context;
  const from = Math.max(0, count - Math.max(most, Math.ceil(FIT_SEASONS * longest)));
  const season = Math.max(1, seasons[0]?.slots ?? 1);
  const thetas = new Float64Array(setting.filters.length * THETA.size);
  const stretch = us.slice(from, count);
  setting.filters.forEach((name, k) => {
    const values = input.values.slice(from, count);
    for (let i = 0; i < values.length; i++) values[i] = toTrackUnits(setting.units[k]!, values[i]!);
    const layout = structuralLayout(FILTER_KINDS[name], seasons);
    const startLevel = meanOf(values.subarray(0, season));
    const rows = seasonRowsOf(setting, from, count);
    const series = fitSeries(layout, stretch, values, startLevel, input.horizon, rows);
    const before = warm?.slice(k * THETA.size, (k + 1) * THETA.size) ?? null;
    const effort = isServed && before !== null ? "brief" : "thorough";
    thetas.set(fitStructural(series, before, effort), k * THETA.size);
  });
  return thetas;
}

/** Samples up to which a search over a series with seasons starts anew: it costs little. */
const ANEW_SAMPLES_MAX = 300;

/**
 * Whether the parameters so far are no place to start from. Those that were found without a season,
 * or on little of one, make level and slope follow it, and from there a search does not find back.
 * Without seasons a search goes on: on few samples one that starts anew follows their chance.
 */
function startsAnew({ input: { before, values }, seasons }: Setting, isCarried: boolean): boolean {
  if (isCarried || seasons.length === 0) return false;
  return values.length <= ANEW_SAMPLES_MAX || before === null || before.seasons.length === 0;
}

/** The records of this refit: earlier ones that still fit, prefixes, then all samples. */
function fitRecords(setting: Setting, isCarried: boolean): FitRecord[] {
  const { input, filters } = setting;
  const size = filters.length * THETA.size;
  const length = input.values.length;
  const records = input.records.filter((record) => record.thetas.length === size).slice();
  let isAnew = startsAnew(setting, isCarried);
  for (const share of [...input.prefixes, 1]) {
    const rounded = length > 30 || share === 1 ? Math.round(share * length) : length * share;
    const count = Math.min(length, Math.max(FIT_SAMPLES_MIN, Math.floor(rounded)));
    const warm = isAnew ? null : records.at(-1)?.thetas ?? null;
    isAnew = false;
    const thetas = fitAll(setting, count, warm);
    records.push({ count: input.seen - length + count, thetas });
  }
  return records.slice(-FIT_RECORDS_MAX);
}

/**
 * Finds period and seasons, fits the filters, and replays the samples so that readouts, weights and
 * calibration stand where they would had these parameters been used from the start.
 *
 * Every origin of the replay uses the newest parameters fitted on samples before it (the earliest
 * kept fit where there is none), so the errors are honest ones.
 */
export function refit(input: RefitInput): { state: EnsembleState; records: FitRecord[] } {
  const found = settingOf(input);
  const carried = input.before === null ? null : carriedSetting(found, input.before);
  const setting = carried ?? found;
  const records = fitRecords(setting, carried !== null);
  if (carried !== null) {
    return { state: carryOver(carried, input.before!, records.at(-1)!.thetas), records };
  }
  const { run, past, fans } = replay(setting, records);
  const { state } = run;
  const nonNegative = input.values.every((value) => value >= 0);
  const meanSize = nonNegative ? meanOf(input.values) : 0;
  combineAnew(run, past);
  const came = judged(run, past);
  state.neural?.forEach((track, k) => {
    const judgedFans = came.map(({ point, errors }, i) => ({
      quantiles: fans[i]![k]!,
      targets: errors.map((error, l) => denormalised(state, point[l]! + error) / track.scale),
    }));
    const span = past.length > 1 ? past.at(-1)!.slot - past[0]!.slot : 0;
    fitFan(track, judgedFans, leadBuckets(state.horizon), state.horizon, span);
  });
  state.calibration = calibrate(
    came,
    state.horizon,
    naiveScaleOf(state),
    input.members.some(isTransformed) ? meanSize : 0,
    state.seasons[0]?.slots ?? 1,
    setting.us.length,
  );
  if (state.members.length > 1) {
    widenSizes(state.calibration, HINDSIGHT);
    if (rests(input.values)) state.climate = fitClimate(run, came, fans);
  }
  state.dependence = fitDependence(came, state.horizon, state.seasons[0]?.slots ?? 1);
  thinPending(state);
  state.originSlot = state.pending.at(-1)?.slot ?? newestSlot(state) - state.horizon;
  return { state, records };
}
