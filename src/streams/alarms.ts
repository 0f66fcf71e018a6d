import { FLAG_THRESHOLD } from "../detectors/detector.ts";
import type { AlarmEvent } from "../stores/store.ts";
import type { Applied } from "./engine.ts";

/** An alarm before the state that proves it is packed. */
export type OpenedAlarm = Omit<AlarmEvent, "appliedOffset" | "modelHash" | "stateHash">;

/** A channel stands out in an alarm from this many standard deviations of its error on. */
export const STANDOUT_SCALES = 3;

/** The alarms of a segment, each with the channels that stand out most from their prediction. */
export function openedAlarms(absorbed: Omit<Applied, "alarms">): OpenedAlarm[] {
  const { segment, score, flag } = absorbed;
  const alarms: OpenedAlarm[] = [];
  for (let i = 0; i < flag.length; i++) {
    if (!(flag[i]! >= FLAG_THRESHOLD)) continue;
    const standout = standoutChannels(absorbed, i);
    const pick = (columns: readonly Float64Array[]) =>
      standout.map((c) => Number.isNaN(columns[c]![i]!) ? null : columns[c]![i]!);
    alarms.push({
      streamId: segment.streamId,
      timestampNs: segment.timestampsNs[i]!,
      kind: "anomaly",
      score: score[i]!,
      flag: flag[i]!,
      channels: standout.map((c) => segment.channels[c]!),
      value: pick(segment.values),
      expected: pick(absorbed.expected),
    });
  }
  return alarms;
}

/**
 * Channels whose error is large, largest first; else the one with the largest; ties by name. Only
 * channels with a value count, so it does not matter which other columns the segment has.
 */
function standoutChannels(absorbed: Omit<Applied, "alarms">, i: number): number[] {
  const { segment, expected, scale } = absorbed;
  const errors = segment.channels.map((name, c) => {
    const error = Math.abs(segment.values[c]![i]! - expected[c]![i]!) / scale[c]![i]!;
    return { name, c, error: Number.isNaN(error) ? -1 : error };
  }).filter(({ c }) => !Number.isNaN(segment.values[c]![i]!));
  errors.sort((a, b) => b.error - a.error || (a.name < b.name ? -1 : 1));
  const count = errors.filter(({ error }) => error >= STANDOUT_SCALES).length;
  return errors.slice(0, Math.max(1, count)).map(({ c }) => c);
}
