import { InvalidValueError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { type ForecasterModel, forecasterModel } from "./forecaster.ts";
import { type MemberName, networkMember } from "./members.ts";
import type { ChannelConfig } from "./model.ts";
import {
  installNetwork,
  type Network,
  type NetworkFile,
  networkNamed,
  networks,
} from "./registry.ts";

/** Version of the members' behaviour; it goes into every model's name and hash. */
const VERSION = 1;

/** The members of the committee, in the order in which ties are broken. */
const COMMITTEE: readonly MemberName[] = [
  "seasonal_naive",
  "seasonal_naive_long",
  "mean",
  "readout_steady",
  "readout_trend",
  "readout_log_far",
  "readout_log_far_light",
  "readout_log_near",
  "readout_log_near_light",
  "ar_differences",
  "analog",
  "analog_long",
];

/** What each model is made of. */
const MEMBERS: Readonly<Record<string, readonly MemberName[]>> = {
  committee: COMMITTEE,
  seasonal_naive: ["seasonal_naive"],
  mean: ["mean"],
  structural: ["structural", "structural_log"],
  readout: ["readout_far", "readout_log_far"],
  ar_differences: ["ar_differences"],
  analog: ["analog"],
};

/** Every model that needs no weights, by name. */
export const MODELS: Readonly<Record<string, ForecasterModel>> = Object.fromEntries(
  Object.entries(MEMBERS).map(([name, members]) => [
    name,
    forecasterModel(`${name}/${VERSION}`, members),
  ]),
);

/** The model that a stream gets when none is asked for. */
export const DEFAULT_MODEL = "committee";

/** Names of the models that need no weights, the default first. */
export const MODEL_NAMES: readonly string[] = Object.keys(MODELS);

/** The network that the committee hears where its weights are there. */
export const COMMITTEE_NETWORK = "neural";

/** Hexadecimal digits of a network's hash in a model's name. */
const HASH_DIGITS = 16;

/** Version of how networks serve. */
const NEURAL_VERSION = 1;

/** Models with a network, by the network: another file is another model. */
const alone = new WeakMap<Network, ForecasterModel>();
const heard = new WeakMap<Network, ForecasterModel>();

function made(
  kept: WeakMap<Network, ForecasterModel>,
  network: Network,
  name: string,
  members: readonly MemberName[],
): ForecasterModel {
  let model = kept.get(network);
  if (model === undefined) {
    const digits = network.hash.slice(0, HASH_DIGITS);
    model = forecasterModel(`${name}+${network.name}.${NEURAL_VERSION}@${digits}`, members);
    kept.set(network, model);
  }
  return model;
}

/** A network as a model of its own: a committee of one. */
function networkModel(network: Network): ForecasterModel {
  const { name } = network;
  return made(alone, network, `${name}/${VERSION}`, [networkMember(name)]);
}

/** Names of all models of this thread: those without weights, then its networks. */
export function modelNames(): readonly string[] {
  return [...MODEL_NAMES, ...networks().map(({ name }) => name)];
}

/** Makes a network known in this thread, as a model of its own name. Throws as the registry does. */
export function installModel(file: NetworkFile): Network {
  return installNetwork(file, MODEL_NAMES);
}

/**
 * The model of a name. The committee has a network as a voice where its weights are there.
 *
 * @throws {InvalidValueError} there is no such model; the message lists those there are
 */
export function modelNamed(name: string): ForecasterModel {
  const network = networkNamed(name === DEFAULT_MODEL ? COMMITTEE_NETWORK : name);
  if (network !== undefined) {
    if (name !== DEFAULT_MODEL) return networkModel(network);
    const members = [...COMMITTEE, networkMember(network.name)];
    return made(heard, network, `${DEFAULT_MODEL}/${VERSION}`, members);
  }
  const model = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (model === undefined) {
    throw new InvalidValueError("model", name, `one of ${modelNames().join(", ")}`);
  }
  return model;
}

/** SHA-256 over name, version and configuration: states of equal hash are interchangeable. */
export function modelHash(name: string, config: ChannelConfig): string {
  const { epochNs, horizon, lower, upper, seed, seasonsS } = config;
  return sha256Hex(JSON.stringify({
    model: modelNamed(name).name,
    config: { epochNs: epochNs.toString(), horizon, lower, upper, seed, seasonsS },
  }));
}

export { type Network, type NetworkFile, networkNamed, networks };

/** The neural forecaster. */
export * as neural from "./neural/mod.ts";
