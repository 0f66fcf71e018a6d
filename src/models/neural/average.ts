/** The mean of several networks of one form. */
import { InvalidValueError } from "../../base/errors.ts";
import { tensorOf } from "../../tensor/tensor.ts";
import { canonicalJson } from "../backbone_config.ts";
import { neuralShapes, type NeuralWeights } from "./weights.ts";

/** Most networks that are averaged at once. */
export const AVERAGED_MAX = 64;

/** The first field in which two configurations differ, as a path; none where they are alike. */
function differingField(a: unknown, b: unknown, path: string): string | undefined {
  if (canonicalJson(a) === canonicalJson(b)) return undefined;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return path;
  const [left, right] = [a, b].map((value) => new Map<string, unknown>(Object.entries(value)));
  for (const key of new Set([...left!.keys(), ...right!.keys()])) {
    const field = differingField(left!.get(key) ?? null, right!.get(key) ?? null, `${path}.${key}`);
    if (field !== undefined) return field;
  }
  return path;
}

/**
 * The network whose every parameter is the mean of the given ones', taken in f64. Networks trained
 * on from the same weights stay in one basin, and their mean is at least as good as they are, at
 * the cost of one (Wortsman et al. 2022, "Model soups", arXiv 2203.05482, section 3.1: the uniform
 * soup). Networks from different first parameters are not to be averaged.
 *
 *   w[i] = Σₖ wₖ[i] / K
 *
 * @returns the mean, with the steps of the longest training among the given
 * @throws {InvalidValueError} fewer than 2 or more than 64 networks, a configuration that differs
 *   from the first's, or a file of another version, by the field
 */
export function averageWeights(networks: readonly NeuralWeights[]): NeuralWeights {
  if (networks.length < 2 || networks.length > AVERAGED_MAX) {
    throw new InvalidValueError("networks", networks.length, `2 to ${AVERAGED_MAX}`);
  }
  const { config, widenedFrom } = networks[0]!;
  const version = (widened: number | undefined) => widened ?? config.version;
  networks.forEach((other, k) => {
    if (other.widenedFrom !== widenedFrom) {
      const name = `networks[${k}].config.version`;
      throw new InvalidValueError(name, version(other.widenedFrom), String(version(widenedFrom)));
    }
    const field = differingField(config, other.config, `networks[${k}].config`);
    if (field === undefined) return;
    throw new InvalidValueError(field, canonicalJson(other.config), canonicalJson(config));
  });
  const tensors = Object.fromEntries(
    [...neuralShapes(config)].map(([name, shape]) => {
      const parts = networks.map((network) => network.tensors[name]!.data);
      const mean = Float32Array.from(parts[0]!, (_, i) => {
        let sum = 0;
        for (const part of parts) sum += part[i]!;
        return sum / parts.length;
      });
      return [name, tensorOf(shape, mean)];
    }),
  );
  return { config, tensors, step: Math.max(...networks.map(({ step }) => step)) };
}
