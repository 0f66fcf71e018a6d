import { InvalidValueError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { type ForecasterModel, forecasterModel } from "./forecaster.ts";
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
import { stateBytesMax } from "./state_bytes.ts";

/** Version of the members' behaviour; it goes into every model's name and hash. */
const VERSION = 11;

/** The members of the committee, in the order in which ties are broken. */
const COMMITTEE: readonly MemberName[] = [
  "seasonal_naive",
  "seasonal_naive_long",
  "mean",
  "readout_trend",
  "readout_far_signed",
  "readout_log_far",
  "readout_log_far_light",
  "readout_log_near",
  "readout_log_near_light",
  "ar_differences",
  "analog",
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

/** Name of the time-invariant network that comes with the program; others begin with it. */
export const NEURAL_MODEL = "neural";

/** The networks that the committee hears where their weights are there. */
export const COMMITTEE_NETWORKS: readonly string[] = ["neural_small"];

/** Version of how networks serve. */
const NEURAL_VERSION = 4;

/** Models with networks, by their names: another file is another model. */
const made = new Map<string, ForecasterModel>();

/** Models with networks that are kept; more are made anew when they are asked for. */
const MADE_MAX = 64;

/** A model of members without weights, and of networks. */
function modelWith(
  name: string,
  others: readonly MemberName[],
  voices: readonly ServingNetwork[],
): ForecasterModel {
  const ids = voices.map(({ id }) => id);
  const whole = `${name}/${VERSION}.${NEURAL_VERSION} ${ids.join(" ")}`;
  let model = made.get(whole);
  if (model === undefined) {
    if (made.size >= MADE_MAX) made.clear();
    model = forecasterModel(whole, [...others, ...ids.map(networkMember)]);
    made.set(whole, model);
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
 * The model of a name. The committee has networks as voices where their weights are there.
 *
 * @throws {InvalidValueError} there is no such model; the message lists those there are
 */
export function modelNamed(name: string): ForecasterModel {
  if (name === DEFAULT_MODEL) {
    const voices = COMMITTEE_NETWORKS.flatMap((voice) => networkNamed(voice) ?? []);
    if (voices.length > 0) return modelWith(name, COMMITTEE, voices);
  }
  const network = networkNamed(name);
  if (network !== undefined) return modelWith(name, [], [network]);
  const model = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (model === undefined) {
    throw new InvalidValueError("model", name, `one of ${modelNames().join(", ")}`);
  }
  return model;
}

/**
 * Upper bound of the packed state of a model with networks, known before they serve.
 *
 * @param isCommittee  whether the committee hears them, or one is a model of its own
 */
export function networkStateBytesMax(
  networks: readonly ServingNetwork[],
  isCommittee: boolean,
): number {
  const members = networks.map(({ id }) => networkMember(id));
  const byId = new Map(networks.map((network) => [network.id, network]));
  return stateBytesMax(
    [...isCommittee ? COMMITTEE : [], ...members],
    (id) => byId.get(id)!.stateBytesMax,
  );
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
