import { InvalidValueError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { type ForecasterModel, forecasterModel, stateBytesMax } from "./forecaster.ts";
import { type MemberName, networkMember } from "./members.ts";
import type { ChannelConfig } from "./model.ts";
import {
  NETWORK_BYTES_MAX,
  networkNamed,
  readNetwork,
  serveNetwork,
  type ServingNetwork,
  servingNetworks,
  withdrawNetwork,
} from "./registry.ts";

/** Version of the members' behaviour; it goes into every model's name and hash. */
const VERSION = 2;

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

/** Version of how networks serve. */
const NEURAL_VERSION = 1;

/** Models with a network, by the network: another file is another model. */
const alone = new WeakMap<ServingNetwork, ForecasterModel>();
const heard = new WeakMap<ServingNetwork, ForecasterModel>();

function made(
  kept: WeakMap<ServingNetwork, ForecasterModel>,
  network: ServingNetwork,
  name: string,
  others: readonly MemberName[],
): ForecasterModel {
  let model = kept.get(network);
  if (model === undefined) {
    const members = [...others, networkMember(network.id)];
    model = forecasterModel(`${name}/${VERSION}.${NEURAL_VERSION} ${network.id}`, members);
    kept.set(network, model);
  }
  return model;
}

/** Names of all models of this thread: those without weights, then its networks. */
export function modelNames(): readonly string[] {
  return [...MODEL_NAMES, ...servingNetworks().map(({ name }) => name)];
}

/**
 * Serves a trained network of this thread as a model of its name; null withdraws it.
 *
 * @throws {InvalidValueError | SyntaxError | LimitError} another model has the name, or the bytes
 *   are no network that serves
 */
export function setModel(name: string, bytes: Uint8Array | null): void {
  if (Object.hasOwn(MODELS, name)) {
    throw new InvalidValueError("network", name, "no name of another model");
  }
  if (bytes === null) withdrawNetwork(name);
  else serveNetwork(readNetwork(name, bytes));
}

/**
 * The model of a name. The committee has a network as a voice where its weights are there.
 *
 * @throws {InvalidValueError} there is no such model; the message lists those there are
 */
export function modelNamed(name: string): ForecasterModel {
  const network = networkNamed(name === DEFAULT_MODEL ? COMMITTEE_NETWORK : name);
  if (network !== undefined) {
    return name === DEFAULT_MODEL
      ? made(heard, network, name, COMMITTEE)
      : made(alone, network, name, []);
  }
  const model = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (model === undefined) {
    throw new InvalidValueError("model", name, `one of ${modelNames().join(", ")}`);
  }
  return model;
}

/**
 * Upper bound of a channel's state under a model with a network, which need not serve here.
 *
 * @param isHeard  as a voice of the committee, or alone
 */
export function networkStateBytesMax(network: ServingNetwork, isHeard: boolean): number {
  const members = [...isHeard ? COMMITTEE : [], networkMember(network.id)];
  return stateBytesMax(members, () => network.stateBytesMax);
}

/** SHA-256 over name, version and configuration: states of equal hash are interchangeable. */
export function modelHash(name: string, config: ChannelConfig): string {
  const { epochNs, horizon, lower, upper, seed, seasonsS } = config;
  return sha256Hex(JSON.stringify({
    model: modelNamed(name).name,
    config: { epochNs: epochNs.toString(), horizon, lower, upper, seed, seasonsS },
  }));
}

export { NETWORK_BYTES_MAX, networkNamed, readNetwork, type ServingNetwork, servingNetworks };

/** The neural forecaster. */
export * as neural from "./neural/mod.ts";
