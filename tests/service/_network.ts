/** A neural forecaster's network small enough to be tuned within a test. */
import { seedRandom } from "../../src/base/random.ts";
import { networkOf, parseNeural } from "../../src/models/neural/network.ts";
import { encodeWeights } from "../../src/models/neural/weights.ts";
import { asDtype } from "../../src/tensor/tensor.ts";

const config = parseNeural({ kind: "s5", width: 8, depth: 2, state: 8, mlp: 8, head: 8 });

/** The file of a network that has learned nothing. */
export function smallNetwork(seed = 3): Uint8Array<ArrayBuffer> {
  const drawn = Object.entries(networkOf(config).init(seedRandom(seed)));
  const tensors = Object.fromEntries(drawn.map(([name, t]) => [name, asDtype(t, "f32")]));
  return encodeWeights({ config, tensors, step: 0 }, "f32");
}
