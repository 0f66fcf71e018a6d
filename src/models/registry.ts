/**
 * The trained networks of this thread, by name. Whoever reads the files hands them in at the start
 * (`src/service/weights.ts`); without any the other models work as they do.
 */
import { InvalidValueError, LimitError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { openRunner } from "./neural/fast_network.ts";
import { networkOf } from "./neural/network.ts";
import type { NeuralRunner } from "./neural/runner.ts";
import { decodeWeights, neuralCount, type NeuralWeights } from "./neural/weights.ts";

/** A network that models can be made of. */
export interface ServingNetwork {
  /** What streams ask for: the model's name. */
  readonly name: string;
  /** Name and file: what states are made with. */
  readonly id: string;
  /** SHA-256 of its file, in hexadecimal. */
  readonly hash: string;
  readonly kind: "s5" | "mamba";
  /** Numbers that it learned. */
  readonly parameters: number;
  /** Bytes of one channel's state at most: features with their history, backbone, hidden. */
  readonly stateBytesMax: number;
  /** The network at work in this thread, opened at its first use. */
  runner(): NeuralRunner;
}

/** Networks of one thread, those included that were replaced and still have states. */
export const NETWORKS_MAX = 64;

/** Bytes of one file. */
export const NETWORK_BYTES_MAX = 16 * 2 ** 20;

/** Features, history, waiting tokens and what else a track keeps beside the network's own. */
const TRACK_BYTES_MAX = 12 * 1024 + 2560;

/** Hexadecimal digits of the hash in an id. */
const HASH_DIGITS = 16;

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;

/** What serves by a name, and everything that was ever handed in, oldest first. */
const serving = new Map<string, ServingNetwork>();
const known = new Map<string, ServingNetwork>();

/**
 * Reads a network's file.
 *
 * @param sha256  what its bytes must hash to, where that is known
 * @throws {InvalidValueError} the name is none, the hash another, or the file no network
 * @throws {SyntaxError} the file is no safetensors file
 * @throws {LimitError} the file is too large
 */
export function readNetwork(name: string, bytes: Uint8Array, sha256?: string): ServingNetwork {
  if (!NAME.test(name)) {
    throw new InvalidValueError("network", name, "a name of a-z, 0-9, _ and -, a letter first");
  }
  if (bytes.length > NETWORK_BYTES_MAX) {
    throw new LimitError("NETWORK_BYTES_MAX", NETWORK_BYTES_MAX, bytes.length, "bytes");
  }
  const hash = sha256Hex(bytes);
  if (sha256 !== undefined && hash !== sha256) {
    throw new InvalidValueError(`${name}.sha256`, sha256, `the file's SHA-256, ${hash}`);
  }
  return networkFrom(name, hash, decodeWeights(bytes));
}

function networkFrom(name: string, hash: string, weights: NeuralWeights): ServingNetwork {
  const { config } = weights;
  let runner: NeuralRunner | undefined;
  return {
    name,
    id: `${name}@${hash.slice(0, HASH_DIGITS)}`,
    hash,
    kind: config.kind,
    parameters: neuralCount(config),
    stateBytesMax: networkOf(config).stateBytes() + 4 * config.head + TRACK_BYTES_MAX,
    runner: () => runner ??= openRunner(weights),
  };
}

/**
 * Serves a network by its name in this thread. One that it replaces stays for states that were
 * made with it.
 *
 * @throws {LimitError} there are too many networks
 */
export function serveNetwork(network: ServingNetwork): void {
  if (!known.has(network.id)) {
    if (serving.size >= NETWORKS_MAX) {
      throw new LimitError("NETWORKS_MAX", NETWORKS_MAX, serving.size + 1, "networks");
    }
    forgetReplaced();
    known.set(network.id, network);
  }
  serving.set(network.name, known.get(network.id)!);
}

/** Makes room for one more by forgetting the oldest that no longer serves. */
function forgetReplaced(): void {
  if (known.size < NETWORKS_MAX) return;
  for (const [id, network] of known) {
    if (serving.get(network.name) === network) continue;
    known.delete(id);
    return;
  }
}

/** Serves nothing by a name any more. */
export function withdrawNetwork(name: string): void {
  serving.delete(name);
}

/** The networks that serve in this thread, in the order in which they came. */
export function servingNetworks(): readonly ServingNetwork[] {
  return [...serving.values()];
}

/** The network that serves by a name; undefined where there is none. */
export function networkNamed(name: string): ServingNetwork | undefined {
  return serving.get(name);
}

/**
 * The network that a state was made with.
 *
 * @throws {InvalidValueError} it is not there
 */
export function networkOfId(id: string): ServingNetwork {
  const network = known.get(id);
  if (network === undefined) {
    throw new InvalidValueError("network", id, "a network whose weights are there");
  }
  return network;
}
