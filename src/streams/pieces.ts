import { concatSegments, type Segment } from "../signal/segment.ts";
import type { Applied } from "./engine.ts";
import type { Pending } from "./track.ts";

/** A piece of a batch: a submission, or samples read from the log. */
export interface Piece {
  readonly segment: Segment;
  readonly start: number;
  /** Whether listeners are told. */
  readonly isLive: boolean;
  /** Settled once the piece is absorbed. */
  readonly pending: Pending | null;
}

/** Pieces that travel as one segment: arrays of many would cost more than all that is in them. */
export interface Run {
  readonly segment: Segment;
  readonly pieces: readonly Piece[];
}

/** Puts neighbours of the same channels together, in arrays of their own. */
export function joined(batch: readonly Piece[]): Run[] {
  const groups: Piece[][] = [];
  for (const piece of batch) {
    const before = groups.at(-1);
    if (before !== undefined && haveSameChannels(before[0]!, piece)) before.push(piece);
    else groups.push([piece]);
  }
  return groups.map((pieces) => {
    const segments = pieces.map(({ segment }) => segment);
    const segment = segments.length === 1
      ? copyRange(segments[0]!, 0, segments[0]!.timestampsNs.length)
      : concatSegments(segments);
    return { segment, pieces };
  });
}

function haveSameChannels({ segment: a }: Piece, { segment: b }: Piece): boolean {
  return a.channels.length === b.channels.length &&
    a.channels.every((name, i) => name === b.channels[i]);
}

/** What was told of a run, as far as it is about one of its pieces; cut only when asked for. */
export class AppliedPart implements Applied {
  readonly segment: Segment;
  readonly start: number;
  readonly #whole: Applied;

  constructor(whole: Applied, { segment, start }: Piece) {
    this.segment = segment;
    this.start = start;
    this.#whole = whole;
  }

  get #length(): number {
    return this.segment.timestampsNs.length;
  }

  #cut(column: Float64Array): Float64Array {
    const from = this.start - this.#whole.start;
    return column.subarray(from, from + this.#length);
  }

  #isHere(timeNs: bigint): boolean {
    const { timestampsNs } = this.segment;
    return timeNs >= timestampsNs[0]! && timeNs <= timestampsNs[this.#length - 1]!;
  }

  get appliedOffset(): number {
    return this.start + this.#length;
  }

  get expected(): readonly Float64Array[] {
    return this.#whole.expected.map((column) => this.#cut(column));
  }

  get scale(): readonly Float64Array[] {
    return this.#whole.scale.map((column) => this.#cut(column));
  }

  get score(): Float64Array {
    return this.#cut(this.#whole.score);
  }

  get flag(): Float64Array {
    return this.#cut(this.#whole.flag);
  }

  get alarms(): Applied["alarms"] {
    return this.#whole.alarms.filter(({ timestampNs }) => this.#isHere(timestampNs));
  }

  get ended(): Applied["ended"] {
    return this.#whole.ended.filter(({ endedNs }) => this.#isHere(endedNs));
  }
}

/**
 * A range as arrays of its own: a view would send the whole array to the other thread. The segment
 * itself where it is that already.
 */
export function copyRange(segment: Segment, start: number, end: number): Segment {
  if (start === 0 && end === segment.timestampsNs.length && isOwn(segment)) return segment;
  return {
    ...segment,
    timestampsNs: segment.timestampsNs.slice(start, end),
    values: segment.values.map((column) => column.slice(start, end)),
  };
}

/** True when no array of a segment is a view of a longer one. */
function isOwn({ timestampsNs, values }: Segment): boolean {
  const isWhole = (array: BigInt64Array | Float64Array) =>
    array.byteLength === array.buffer.byteLength;
  return isWhole(timestampsNs) && values.every(isWhole);
}
