import type { Segment } from "../../signal/segment.ts";
import type { AlarmEnd, AlarmEvent, IssuedForecast } from "../../stores/store.ts";
import type { StreamState } from "../../streams/engine.ts";
import type {
  AnomalyCondition,
  Bounds,
  CoverageCondition,
  Finding,
  ForecastCondition,
  HeartbeatCondition,
} from "./alert.ts";

/** What a finding has that is about no flag and no prediction. */
const PLAIN = {
  p: null,
  score: null,
  channels: [],
  value: [],
  expected: [],
  scale: [],
  number: null,
};

/** A number for people: six digits at most. */
function text(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function isLarge(
  { effectMin: { units, sigmas } }: AnomalyCondition,
  { value, expected, scale = [] }: Pick<AlarmEvent, "value" | "expected" | "scale">,
): boolean {
  if (units === 0 && sigmas === 0) return true;
  return value.some((measured, i) => {
    const median = expected[i] ?? null;
    if (measured === null || median === null) return false;
    const effect = Math.abs(measured - median);
    const sigma = scale[i] ?? null;
    return effect >= units && (sigmas === 0 || (sigma !== null && effect >= sigmas * sigma));
  });
}

function isReason({ reasons }: AnomalyCondition, reason: string): boolean {
  return reasons.length === 0 || reasons.includes(reason);
}

function bandText(bandHz: readonly [number, number] | undefined): string {
  return bandHz === undefined ? "" : `, ${text(bandHz[0])} to ${text(bandHz[1])} Hz`;
}

/** A flag in words. */
export function anomalySummary(
  { reason = "", bandHz, channels, p }:
    & Pick<AlarmEvent, "channels" | "bandHz">
    & { readonly reason?: string | undefined; readonly p: number },
): string {
  const why = reason === "" ? "" : ` (${reason}${bandText(bandHz)})`;
  const named = channels.length === 0 ? "" : ` in ${channels.slice(0, 5).join(", ")}`;
  return `Anomaly${why}${named}, p ${p.toExponential(1)}`;
}

/** What a rule on flags makes of one that opened; null where it is none of its flags. */
export function anomalyFinding(condition: AnomalyCondition, event: AlarmEvent): Finding | null {
  const { timestampNs, channels, value, expected, scale = [], score, reason = "" } = event;
  const p = event.p ?? 10 ** -event.flag;
  if (p > condition.pMax || !isReason(condition, reason) || !isLarge(condition, event)) return null;
  const summary = anomalySummary({ ...event, p });
  const number = event.number ?? null;
  return {
    timeNs: timestampNs,
    summary,
    reason,
    p,
    score,
    channels,
    value,
    expected,
    scale,
    number,
  };
}

/**
 * What a rule on flags makes of one that is over or was revised: a flag may have become rare enough
 * only after it opened, or have a reason of the rule's only now. Its effect is not known any more.
 */
export function endFinding(condition: AnomalyCondition, end: AlarmEnd): Finding | null {
  const { peakNs, p, score, reason, channels, number } = end;
  const { units, sigmas } = condition.effectMin;
  if (p > condition.pMax || !isReason(condition, reason) || units > 0 || sigmas > 0) return null;
  const summary = anomalySummary(end);
  const unknown = channels.map(() => null);
  return {
    timeNs: peakNs,
    ...{ summary, reason, p, score, channels, number },
    ...{ value: unknown, expected: unknown, scale: unknown },
  };
}

/** The bound that a value is beyond, in words; null where it is not. */
export function beyond({ above, below }: Bounds, value: number): string | null {
  if (above !== null && value > above) return `above ${text(above)}`;
  if (below !== null && value < below) return `below ${text(below)}`;
  return null;
}

/** What was predicted for the samples of a segment, by its channels. */
export interface Predicted {
  readonly expected: readonly Float64Array[];
  readonly scale: readonly Float64Array[];
}

/** What a bound on values makes of a row: a finding, "inside", or null without a value. */
export function valueFinding(
  condition: Bounds,
  segment: Segment,
  row: number,
  predicted: Predicted | null,
): Finding | "inside" | null {
  let outcome: "inside" | null = null;
  for (const [c, name] of segment.channels.entries()) {
    if (condition.channel !== null && condition.channel !== name) continue;
    const value = segment.values[c]![row]!;
    if (Number.isNaN(value)) continue;
    const bound = beyond(condition, value);
    if (bound === null) {
      outcome = "inside";
      continue;
    }
    const known = (columns: readonly Float64Array[] | undefined) => {
      const entry = columns?.[c]?.[row] ?? NaN;
      return Number.isFinite(entry) ? entry : null;
    };
    return {
      ...PLAIN,
      timeNs: segment.timestampsNs[row]!,
      summary: `${name} is ${text(value)}, ${bound}`,
      reason: "value",
      channels: [name],
      value: [value],
      expected: [known(predicted?.expected)],
      scale: [known(predicted?.scale)],
    };
  }
  return outcome;
}

/** What a bound on a forecast makes of one that has the quantile as its only one. */
export function forecastFinding(
  condition: ForecastCondition,
  { originNs, timesNs, values }: IssuedForecast,
): Finding | null {
  for (const [name, column] of Object.entries(values)) {
    const at = column.findIndex((value) => beyond(condition, value) !== null);
    if (at < 0) continue;
    const value = column[at]!;
    const minutes = Number(timesNs[at]! - originNs) / 60e9;
    const summary = `The ${text(condition.quantile)} quantile of ${name} is ${text(value)}, ` +
      `${beyond(condition, value)}, ${text(minutes)} minutes ahead`;
    return {
      ...PLAIN,
      ...{ timeNs: originNs, summary, reason: "forecast", channels: [name] },
      ...{ value: [null], expected: [value], scale: [null] },
    };
  }
  return null;
}

/** What the time since a stream's last sample amounts to. */
export function heartbeatFinding(
  { periods }: HeartbeatCondition,
  { lastNs, periodS, nowNs }: {
    readonly lastNs: bigint;
    readonly periodS: number;
    readonly nowNs: bigint;
  },
): Finding | null {
  const silentS = Number(nowNs - lastNs) / 1e9;
  if (!(periodS > 0) || silentS <= periods * periodS) return null;
  const summary = `No sample for ${text(silentS)} s, ${text(silentS / periodS)} periods`;
  return { ...PLAIN, timeNs: nowNs, summary, reason: "heartbeat" };
}

/** What the live coverage of a stream's intervals amounts to; the worst channel is named. */
export function coverageFinding(
  { level, tolerance, countMin }: CoverageCondition,
  { perChannel }: Pick<StreamState, "perChannel">,
  nowNs: bigint,
): Finding | null {
  let worst: { name: string; value: number; off: number } | null = null;
  for (const [name, { coverage }] of Object.entries(perChannel)) {
    const own = coverage.find((candidate) => Math.abs(candidate.level - level) < 1e-6);
    if (own === undefined || !Number.isFinite(own.value) || own.count < countMin) continue;
    const off = Math.abs(own.value - level);
    if (off > tolerance && off > (worst?.off ?? 0)) worst = { name, value: own.value, off };
  }
  if (worst === null) return null;
  const { name, value } = worst;
  const summary = `Intervals of ${text(100 * level)} % hold ${text(100 * value)} % of ${name}`;
  return {
    ...PLAIN,
    ...{ timeNs: nowNs, summary, reason: "coverage", channels: [name] },
    ...{ value: [value], expected: [level], scale: [null] },
  };
}

/** What a stream's distance from its peers amounts to. */
export function peersFinding(
  { timeNs, channel, value, median, scale }: {
    readonly timeNs: bigint;
    readonly channel: string;
    readonly value: number;
    readonly median: number;
    readonly scale: number;
  },
): Finding {
  const distance = Math.abs(value - median) / scale;
  const summary = `${channel} differs from its peers by ${text(distance)} standard deviations`;
  return {
    ...PLAIN,
    ...{ timeNs, summary, reason: "peers", channels: [channel] },
    ...{ value: [value], expected: [median], scale: [scale] },
  };
}
