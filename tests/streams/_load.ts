import { nextNormal, seedRandom } from "../../src/base/random.ts";
import type { Segment } from "../../src/signal/segment.ts";

const HOUR_NS = 3_600_000_000_000n;

/** An hourly load about a day's season that follows a temperature, so many hours later. */
export function loadSeries(length: number, delay: number): Segment {
  const random = seedRandom(11);
  let level = 0;
  const temperature = Float64Array.from(
    { length },
    () => level = 0.9 * level + nextNormal(random),
  );
  const load = temperature.map((_, i) => {
    const felt = i < delay ? 0 : temperature[i - delay]!;
    return 50 + 5 * Math.sin(Math.PI * i / 12) + 4 * felt + nextNormal(random);
  });
  return {
    streamId: "s",
    channels: ["load", "temperature"],
    timestampsNs: BigInt64Array.from({ length }, (_, i) => BigInt(i) * HOUR_NS),
    values: [load, temperature],
  };
}
