/** A small network with drawn weights, for tests. */
import { seedRandom } from "../../../src/base/random.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { encodeWeights } from "../../../src/models/neural/weights.ts";

/** The bytes of a network's file with drawn weights. */
export function drawnNetwork(over: Record<string, unknown> = {}, seed = 1): Uint8Array {
  const config = parseNeural({
    ...{ kind: "s5", width: 16, depth: 2, state: 8, mlp: 24, head: 16 },
    ...over,
  });
  const tensors = networkOf(config).init(seedRandom(seed));
  return encodeWeights({ config, tensors, step: 0 }, "f16");
}
