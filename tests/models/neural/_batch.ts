/** Random inputs of the network, of small sizes. */
import { nextNormal, nextUint32, nextUniform, seedRandom } from "../../../src/base/random.ts";
import type { NeuralBatch, NeuralBatchSizes } from "../../../src/models/neural/network.ts";
import { ANCHORS, LEAD_FEATURES, TOKEN_FEATURES } from "../../../src/models/neural/shapes.ts";

export const TINY = { version: 2, width: 6, depth: 3, state: 4, mlp: 5, head: 7 } as const;

/** Irregular samples, picks anywhere, every fifth anchor absent but the first there. */
export function randomBatch(sizes: NeuralBatchSizes, seed: number): NeuralBatch {
  const { batch, length, picks, leads } = sizes;
  const random = seedRandom(seed);
  const rows = batch * picks * leads;
  const drawn = (size: number, value: (i: number) => number) =>
    Float32Array.from({ length: size }, (_, i) => value(i));
  const elapsed = drawn(batch * length, () => 0.5 + 3 * nextUniform(random) ** 3);
  return {
    sizes,
    tokens: drawn(batch * length * TOKEN_FEATURES, () => nextNormal(random)),
    elapsed,
    seasonal: drawn(batch * length, (i) => elapsed[i]! * 0.4),
    picks: drawn(batch * picks, () => nextUint32(random) % length),
    features: drawn(rows * LEAD_FEATURES, () => nextNormal(random)),
    anchors: drawn(rows * ANCHORS, () => nextNormal(random)),
    valid: drawn(rows * ANCHORS, (i) => i % ANCHORS > 0 && i % 5 === 0 ? 0 : 1),
    scale: drawn(rows, () => 0.2 + nextUniform(random)),
    target: drawn(rows, () => 2 * nextNormal(random)),
    weight: drawn(rows, (i) => i % 7 === 0 ? 0 : 1),
  };
}
