import type { FlagEvent } from "../detectors/detector.ts";
import type { AlarmEnd, AlarmEvent } from "../stores/store.ts";
import type { Applied } from "./engine.ts";

/** An alarm before the state that proves it is packed. */
export type OpenedAlarm = Omit<AlarmEvent, "appliedOffset" | "modelHash" | "stateHash">;

/** What the detector said of a segment. */
export interface Told {
  /** Alarms that opened and ended; `index` is that of the segment's sample. */
  readonly events: readonly FlagEvent[];
  /** Names of the detector's channels. */
  readonly channels: readonly string[];
  /** What the events count seconds from. */
  readonly epochNs: bigint;
}

type Absorbed = Omit<Applied, "alarms" | "ended">;

/** The alarms that opened in a segment, with what was measured and expected. */
export function openedAlarms(absorbed: Absorbed, { events, channels }: Told): OpenedAlarm[] {
  const { segment, expected, scale, flag } = absorbed;
  return events.filter(({ phase }) => phase === "open").map((event) => {
    const { index, score, p, reason, number, bandHz } = event;
    const names = event.channels.map((c) => channels[c]!);
    const pick = (columns: readonly Float64Array[]) =>
      names.map((name) => {
        const value = columns[segment.channels.indexOf(name)]?.[index] ?? NaN;
        return Number.isNaN(value) ? null : value;
      });
    return {
      streamId: segment.streamId,
      timestampNs: segment.timestampsNs[index]!,
      kind: "anomaly",
      score,
      flag: flag[index]!,
      p,
      reason,
      number,
      channels: names,
      value: pick(segment.values),
      expected: pick(expected),
      scale: pick(scale),
      ...(bandHz === undefined ? {} : { bandHz }),
    };
  });
}

/** The alarms that ended in a segment, or whose reason turned out to be another one. */
export function endedAlarms({ segment }: Absorbed, told: Told): AlarmEnd[] {
  return told.events.filter(({ phase }) => phase !== "open").map((event) => ({
    streamId: segment.streamId,
    number: event.number,
    openedNs: instant(told.epochNs, event.openedS),
    peakNs: instant(told.epochNs, event.peakS),
    endedNs: segment.timestampsNs[event.index]!,
    score: event.score,
    p: event.p,
    reason: event.reason,
    channels: event.channels.map((c) => told.channels[c]!),
    ...(event.bandHz === undefined ? {} : { bandHz: event.bandHz }),
    ...(event.phase === "end" ? {} : { isOpen: true }),
  }));
}

/** To the microsecond: as exact as seconds in a double are after years. */
function instant(epochNs: bigint, seconds: number): bigint {
  return epochNs + BigInt(Math.round(seconds * 1e6)) * 1_000n;
}
