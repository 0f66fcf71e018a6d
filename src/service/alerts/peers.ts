import type { Applied } from "../../streams/engine.ts";

/** Samples over which a stream's innovations are averaged. */
export const PEER_SAMPLES = 16;
/** Streams that a group must have at least: a median of fewer says little. */
export const PEERS_MIN = 4;
/** Streams whose innovations are remembered; the longest without a sample is forgotten first. */
export const PEER_STREAMS_MAX = 100_000;

/** Standard deviation of the mean of white innovations of unit variance, 1/sqrt(2τ − 1). */
const MEAN_SD = 1 / Math.sqrt(2 * PEER_SAMPLES - 1);

/** 1 / the median of |N(0, 1)|. */
const MAD_TO_SD = 1.4826;

/** A surprise larger than this many standard deviations counts as this one. */
const SURPRISE_MAX = 20;

interface Mean {
  mean: number;
  count: number;
  lastNs: bigint;
}

/** How far one stream is from its group. */
export interface PeerDistance {
  readonly streamId: string;
  readonly channel: string;
  readonly timeNs: bigint;
  readonly value: number;
  readonly median: number;
  /** Robust standard deviation of the group; never below that of white innovations. */
  readonly scale: number;
}

function medianOf(sorted: Float64Array): number {
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * The mean standardised innovation of every stream and channel, for groups of streams to be held
 * against their median.
 *
 *   z = (value − expected) / scale          m += (z − m) / min(count, 16)
 *   distance = |m − median(m)| / max(1.4826 · MAD(m), 1/sqrt(31))
 *
 * A cause that all share moves the median along and is no alarm. Lives in memory: after a restart
 * it begins anew.
 */
export class PeerTable {
  readonly #streams = new Map<string, Map<string, Mean>>();

  add({ segment, expected, scale }: Applied): void {
    const { streamId, channels, timestampsNs } = segment;
    const means = this.#streams.get(streamId) ?? new Map<string, Mean>();
    this.#streams.delete(streamId);
    this.#streams.set(streamId, means);
    for (const [c, name] of channels.entries()) {
      const own = means.get(name) ?? { mean: 0, count: 0, lastNs: 0n };
      means.set(name, own);
      const values = segment.values[c]!;
      for (let row = 0; row < timestampsNs.length; row++) {
        const z = (values[row]! - expected[c]![row]!) / scale[c]![row]!;
        if (!Number.isFinite(z)) continue;
        const bounded = Math.max(-SURPRISE_MAX, Math.min(SURPRISE_MAX, z));
        own.count++;
        own.mean += (bounded - own.mean) / Math.min(own.count, PEER_SAMPLES);
        own.lastNs = timestampsNs[row]!;
      }
    }
    if (this.#streams.size <= PEER_STREAMS_MAX) return;
    const [oldest] = this.#streams.keys();
    this.#streams.delete(oldest!);
  }

  forget(streamId: string): void {
    this.#streams.delete(streamId);
  }

  /**
   * Distances within a group, channel by channel, of all streams that know enough; those whose last
   * sample is older than `freshNs` say nothing of the present.
   */
  distances(ids: readonly string[], freshNs: bigint): PeerDistance[] {
    const byChannel = new Map<string, { streamId: string; own: Mean }[]>();
    for (const streamId of ids) {
      for (const [channel, own] of this.#streams.get(streamId) ?? []) {
        if (own.count < PEER_SAMPLES || own.lastNs < freshNs) continue;
        byChannel.set(channel, [...byChannel.get(channel) ?? [], { streamId, own }]);
      }
    }
    return [...byChannel].flatMap(([channel, group]) => {
      if (group.length < PEERS_MIN) return [];
      const median = medianOf(Float64Array.from(group, ({ own }) => own.mean).sort());
      const spread = Float64Array.from(group, ({ own }) => Math.abs(own.mean - median)).sort();
      const scale = Math.max(MEAN_SD, MAD_TO_SD * medianOf(spread));
      return group.map(({ streamId, own }) => ({
        ...{ streamId, channel, median, scale },
        timeNs: own.lastNs,
        value: own.mean,
      }));
    });
  }
}
