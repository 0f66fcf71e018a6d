import { modelNamed } from "../../models/mod.ts";
import { type Segment, timesS } from "../../signal/segment.ts";
import type { Trial } from "../evaluate/settings.ts";

/** Period and season of a context, as the models find them or are told. */
function rhythmOf(
  times: Float64Array,
  values: Float64Array,
  declaredS: readonly number[],
): { periodS: number; seasonS: number } {
  const model = modelNamed("seasonal_naive");
  const bounds = { lower: null, upper: null };
  const config = { epochNs: 0n, horizon: 1, ...bounds, seed: 1, seasonsS: [...declaredS] };
  const { periodS, seasonsS } = model.summary(model.stateOfContext(config, times, values));
  const mean = (times.at(-1)! - times[0]!) / Math.max(1, times.length - 1);
  return { periodS: periodS ?? (mean > 0 ? mean : 1), seasonS: seasonsS[0] ?? 0 };
}

/** What is asked of one origin. */
interface TrialPlan {
  readonly origin: number;
  readonly horizon: number;
  readonly seasonsS?: readonly number[];
}

/**
 * What was known of a channel at an origin, and what came after; slots are seconds since the first
 * sample. The season is the one that is found in what was known: peers are told it, models find it
 * again themselves. Seasons that are declared are told to all of them.
 *
 * @param origin    count of samples that are known
 * @param horizon   samples that are asked for
 * @param seasonsS  declared seasons in seconds; none = found
 * @returns null where nothing was known: no sample before the origin has a value
 */
export function trialAt(
  segment: Segment,
  channel: string,
  { origin, horizon, seasonsS = [] }: TrialPlan,
): Trial | null {
  const startNs = segment.timestampsNs[0]!;
  const all = timesS(segment.timestampsNs, startNs);
  const column = segment.values[segment.channels.indexOf(channel)]!;
  const [slots, values] = [all.subarray(0, origin), column.subarray(0, origin)];
  if (values.every(Number.isNaN)) return null;
  const { periodS, seasonS } = rhythmOf(slots, values, seasonsS);
  const last = slots.at(-1)!;
  const asked = all.subarray(origin, origin + horizon);
  return {
    id: `${segment.streamId}/${channel}`,
    task: channel,
    slots,
    values,
    asked,
    target: column.subarray(origin, origin + horizon),
    first: last - Math.floor(last / periodS + 1e-6) * periodS,
    origin: last,
    step: periodS,
    season: Math.max(1, Math.round(seasonS / periodS)),
    hint: "found",
    seasonsS,
    horizon: Math.max(1, Math.ceil((asked.at(-1)! - last) / periodS - 1e-6)),
    slotS: 1,
    startNs,
    scale: 1,
    contextKey: String(origin),
  };
}
