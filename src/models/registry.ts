/**
 * The trained networks of this thread, by name. Whoever reads the files hands them in at the start
 * (`src/service/weights.ts`); without any the other models work as they do.
 */
import { ConflictError, InvalidValueError, LimitError } from "../base/errors.ts";
import { decodeWeights, type NetworkWeights } from "./neural/weights.ts";
import { openRunner } from "./neural/fast_network.ts";
import { networkOf } from "./neural/network.ts";
import type { NeuralRunner } from "./neural/runner.ts";
import { sha256Hex } from "../base/hash.ts";

/** A network's file as it was read. */
export interface NetworkFile {
  /** What streams ask for: the model's name. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes, in hexadecimal, as the manifest has it. */
  readonly sha256: string;
}

/** A network that models can be made of. */
export interface Network {
  readonly name: string;
  /** SHA-256 of its file. */
  readonly hash: string;
  readonly weights: NetworkWeights;
  /** Numbers that it learned. */
  readonly parameters: number;
  /** Bytes of one channel's state at most: features with their history, backbone, hidden. */
  readonly stateBytesMax: number;
  /** The network at work in this thread, opened at its first use. */
  runner(): NeuralRunner;
}

/** Features and history of one channel, packed, with what the track adds in numbers. */
const FEATURE_BYTES_MAX = 12 * 1024 + 512;

/** Networks of one thread. */
export const NETWORKS_MAX = 32;

/** Bytes of one file. */
export const NETWORK_BYTES_MAX = 16 * 2 ** 20;

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;

const installed = new Map<string, Network>();

/**
 * Makes a network known in this thread.
 *
 * @param reserved  names of other models
 * @throws {InvalidValueError} the name is none, or the file is not what its hash says or no network
 * @throws {SyntaxError} the file is no safetensors file
 * @throws {LimitError} the file is too large, or there are too many networks
 * @throws {ConflictError} another network has this name
 */
export function installNetwork(file: NetworkFile, reserved: readonly string[] = []): Network {
  const { name, bytes, sha256 } = file;
  if (!NAME.test(name) || reserved.includes(name)) {
    throw new InvalidValueError("network", name, "a name of its own: a-z, 0-9, _ and -");
  }
  const before = installed.get(name);
  if (before !== undefined && before.hash === sha256) return before;
  if (before !== undefined) {
    throw new ConflictError(`Another network is called "${name}" already`);
  }
  if (bytes.length > NETWORK_BYTES_MAX) {
    throw new LimitError("NETWORK_BYTES_MAX", NETWORK_BYTES_MAX, bytes.length, "bytes");
  }
  if (installed.size >= NETWORKS_MAX) {
    throw new LimitError("NETWORKS_MAX", NETWORKS_MAX, installed.size + 1, "networks");
  }
  const hash = sha256Hex(bytes);
  if (hash !== sha256) throw new InvalidValueError(`${name}.sha256`, sha256, `${hash}, the file's`);
  const weights = decodeWeights(bytes);
  let runner: NeuralRunner | undefined;
  const network: Network = {
    name,
    hash,
    weights,
    parameters: Object.values(weights.tensors).reduce((sum, { data }) => sum + data.length, 0),
    stateBytesMax: networkOf(weights.config).stateBytes() + 4 * weights.config.head +
      FEATURE_BYTES_MAX,
    runner: () => runner ??= openRunner(weights),
  };
  installed.set(name, network);
  return network;
}

/** The networks of this thread, in the order in which they came. */
export function networks(): readonly Network[] {
  return [...installed.values()];
}

/** The network of a name; undefined where there is none. */
export function networkNamed(name: string): Network | undefined {
  return installed.get(name);
}

/**
 * A network at work in this thread.
 *
 * @throws {InvalidValueError} there is none of this name
 */
export function runnerOf(name: string): NeuralRunner {
  const network = installed.get(name);
  if (network === undefined) {
    throw new InvalidValueError("network", name, "a network whose weights are there");
  }
  return network.runner();
}
