import type { Segment } from "../signal/segment.ts";
import type { AlarmEvent, StreamSettings } from "../stores/store.ts";
import { copyRange } from "./pieces.ts";
import type { DetectResult } from "./engine.ts";
import type { DetectArgument } from "./shard.ts";
import type { ShardPort } from "./shard_port.ts";

/** Values of one part: few, since who reads a stream may have to wait for several parts. */
export const DETECT_PART_VALUES = 64;

/** Samples that are scored without a stream. */
export interface Detection {
  readonly segment: Segment;
  readonly settings: Partial<StreamSettings>;
  /** Tells detections apart that one shard works on side by side. */
  readonly key: number;
}

/**
 * Scores a whole segment part by part, so that streams of the same shard get their turn between.
 *
 * @throws {Error} the model threw, or the worker died in between
 */
export async function detectInParts(
  port: ShardPort,
  { segment, settings, key }: Detection,
): Promise<DetectResult> {
  const length = segment.timestampsNs.length;
  const expected = segment.channels.map(() => new Float64Array(length));
  const scale = segment.channels.map(() => new Float64Array(length));
  const score = new Float64Array(length);
  const flag = new Float64Array(length);
  const step = Math.max(1, Math.floor(DETECT_PART_VALUES / segment.channels.length));
  let alarms: readonly AlarmEvent[] = [];
  for (let start = 0; start < length; start += step) {
    const end = Math.min(length, start + step);
    const argument: DetectArgument = {
      segment: copyRange(segment, start, end),
      settings,
      key,
      isFirst: start === 0,
      isLast: end === length,
    };
    const part = await port.call<Omit<DetectResult, "segment">>("detectOnce", argument);
    expected.forEach((column, c) => column.set(part.expected[c]!, start));
    scale.forEach((column, c) => column.set(part.scale[c]!, start));
    score.set(part.score, start);
    flag.set(part.flag, start);
    alarms = part.alarms;
  }
  return { segment, expected, scale, score, flag, alarms };
}
