import type { ModelSummary } from "../models/model.ts";
import type { Coverage, StreamSummary } from "./engine.ts";

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

/** Shares by level, each part weighted by how much it has counted. */
export function poolCoverage(parts: Iterable<{ readonly coverage: Coverage }>): Coverage {
  const pooled = new Map<number, { inside: number; count: number }>();
  for (const { level, value, count } of [...parts].flatMap(({ coverage }) => coverage)) {
    const sum = pooled.get(level) ?? { inside: 0, count: 0 };
    // A share of nothing is NaN; it weighs nothing.
    if (count > 0) sum.inside += value * count;
    sum.count += count;
    pooled.set(level, sum);
  }
  return [...pooled].sort(([a], [b]) => a - b).map(([level, { inside, count }]) => ({
    level,
    // NaN of nothing, as in one channel: null on the wire.
    value: inside / count,
    count,
  }));
}
