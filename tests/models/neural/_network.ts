/** A small network with drawn weights, for tests. */
import { sha256Hex } from "../../../src/base/hash.ts";
import { seedRandom } from "../../../src/base/random.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { encodeWeights } from "../../../src/models/neural/weights.ts";
import type { NetworkFile } from "../../../src/models/mod.ts";

/** The file of a network with drawn weights. */
export function drawnNetwork(
  name: string,
  over: Record<string, unknown> = {},
  seed = 1,
): NetworkFile {
  const config = parseNeural({
    ...{ kind: "s5", width: 16, depth: 2, state: 8, mlp: 24, head: 16 },
    ...over,
  });
  const tensors = networkOf(config).init(seedRandom(seed));
  const bytes = encodeWeights({ config, tensors, step: 0 });
  return { name, bytes, sha256: sha256Hex(bytes) };
}
