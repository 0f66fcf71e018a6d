import { type LongSeries, longSeries } from "../../../../src/cli/evaluate/long/series.ts";

/** Numbers in [0, 1) from a seed. */
export function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Twenty months, six samples a day: a day's wave whose size walks, and noise. */
export function syntheticLines(samplesADay = 6): string[] {
  const next = uniforms(7);
  const count = 20 * 30 * samplesADay;
  const lines = ["timestamp,A,B"];
  let size = 1;
  for (let t = 0; t < count; t++) {
    size = 1 + 0.995 * (size - 1) + 0.05 * (next() - 0.5);
    const wave = size * Math.sin(2 * Math.PI * t / samplesADay);
    const time = new Date(Date.UTC(2020, 0, 1) + t * 86_400_000 / samplesADay).toISOString();
    lines.push(`${time},${wave + 0.3 * next()},${5 - 2 * wave + next()}`);
  }
  return lines;
}

export function syntheticSeries(): LongSeries {
  return longSeries("waves", syntheticLines());
}
