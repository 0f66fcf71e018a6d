import { InvalidValueError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { type ForecasterModel, forecasterModel } from "./forecaster.ts";
import type { MemberName } from "./members.ts";
import type { ChannelConfig } from "./model.ts";

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

/** Every model that serves, by name. */
export const MODELS: Readonly<Record<string, ForecasterModel>> = Object.fromEntries(
  Object.entries(MEMBERS).map(([name, members]) => [
    name,
    forecasterModel(`${name}/${VERSION}`, members),
  ]),
);

/** The model that a stream gets when none is asked for. */
export const DEFAULT_MODEL = "committee";

/** Names of all models, the default first. */
export const MODEL_NAMES: readonly string[] = Object.keys(MODELS);

/**
 * The model of a name.
 *
 * @throws {InvalidValueError} there is no such model; the message lists those there are
 */
export function modelNamed(name: string): ForecasterModel {
  const model = Object.hasOwn(MODELS, name) ? MODELS[name] : undefined;
  if (model === undefined) {
    throw new InvalidValueError("model", name, `one of ${MODEL_NAMES.join(", ")}`);
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

/** The neural forecaster. */
export * as neural from "./neural/mod.ts";
