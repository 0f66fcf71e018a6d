import type { ModelSummary } from "../models/model.ts";
import type { Coverage, EngineStats, StreamSummary } from "./engine.ts";

/** What a whole stream says of itself, from what its channels say. */
export function summarize(
  perChannel: Readonly<Record<string, ModelSummary>>,
): StreamSummary {
  const summaries = Object.values(perChannel);
  const periods = summaries.map((summary) => summary.periodS)
    .filter((periodS): periodS is number => periodS !== null);
  const seasons = new Set(summaries.flatMap((summary) => summary.seasonsS));
  return {
    periodS: periods.length === 0 ? null : Math.min(...periods),
    seasonsS: [...seasons].sort((a, b) => a - b),
    coverage: poolCoverage(summaries),
    perChannel,
  };
}

/**
 * Shares by level, each part weighted by how much it has counted, and so the relative widths: their
 * geometric mean, which one odd stream does not move far.
 */
export function poolCoverage(parts: Iterable<{ readonly coverage: Coverage }>): Coverage {
  const pooled = new Map<
    number,
    { inside: number; count: number; logWidth: number; wide: number }
  >();
  for (const one of [...parts].flatMap(({ coverage }) => coverage)) {
    const { level, value, count, relativeWidth } = one;
    const sum = pooled.get(level) ?? { inside: 0, count: 0, logWidth: 0, wide: 0 };
    // A share of nothing is NaN; it weighs nothing.
    if (count > 0) sum.inside += value * count;
    sum.count += count;
    if (relativeWidth > 0) {
      sum.logWidth += Math.log(relativeWidth) * count;
      sum.wide += count;
    }
    pooled.set(level, sum);
  }
  return [...pooled].sort(([a], [b]) => a - b).map((
    [level, { inside, count, logWidth, wide }],
  ) => ({
    level,
    // NaN of nothing, as in one channel: null on the wire.
    value: inside / count,
    count,
    relativeWidth: wide > 0 ? Math.exp(logWidth / wide) : NaN,
  }));
}

/** What is told of one stream's state in `/metrics`. */
interface TalliedState {
  readonly stateBytes: number;
  readonly isLoaded: boolean;
  readonly failed: string | null;
  readonly coverage: Coverage;
}

/** What the states in memory amount to. */
export function tallyStates(
  tracks: readonly TalliedState[],
): Pick<EngineStats, "states" | "stateBytes" | "failedStreams" | "coverage"> {
  const loaded = tracks.filter(({ isLoaded }) => isLoaded);
  return {
    states: loaded.length,
    stateBytes: tracks.reduce((sum, { stateBytes }) => sum + stateBytes, 0),
    failedStreams: tracks.filter(({ failed }) => failed !== null).length,
    coverage: poolCoverage(loaded),
  };
}
