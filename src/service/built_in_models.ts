import { sha256Hex } from "../base/hash.ts";
import {
  COMMITTEE_NETWORKS,
  DEFAULT_MODEL,
  MODELS,
  networkStateBytesMax,
  readNetwork,
  type ServingNetwork,
} from "../models/mod.ts";
import type { ModelFacts, ServingModel } from "./models.ts";

/** Of a model of the program nobody asks where it comes from. */
const BUILT_IN = { origin: "built-in", base: null, job: null, createdAt: null } as const;

function factsOf(network: ServingNetwork): ModelFacts {
  const { kind, hash, parameters } = network;
  return { kind, hash, parameters, stateBytesMax: networkStateBytesMax([network], false) };
}

/**
 * What the file of a network says of itself as a model.
 *
 * @throws {SyntaxError | InvalidValueError | LimitError} the bytes are no network that serves
 */
export function inspectNetwork(name: string, bytes: Uint8Array): ModelFacts {
  return factsOf(readNetwork(name, bytes));
}

/**
 * The models of the program as they are told of, the default first.
 *
 * @param shipped  files of the networks that come with it, by name
 */
export function builtInModels(shipped: ReadonlyMap<string, Uint8Array>): ServingModel[] {
  const networks = [...shipped].map(([name, bytes]) => readNetwork(name, bytes));
  const voices = networks.filter(({ name }) => COMMITTEE_NETWORKS.includes(name));
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const others = Object.entries(MODELS).map(([name, model]): ServingModel => {
    const heard = name === DEFAULT_MODEL ? voices : [];
    return {
      name,
      ...BUILT_IN,
      kind: name === DEFAULT_MODEL ? "committee" : "member",
      // A version in the model's own name changes with its behaviour.
      hash: sha256Hex([model.name, ...heard.map((voice) => voice.hash)].join(" ")),
      parameters: sum(heard.map((voice) => voice.parameters)),
      stateBytesMax: heard.length === 0 ? model.stateBytesMax : networkStateBytesMax(heard, true),
    };
  });
  const alone = networks.map((network): ServingModel => ({
    name: network.name,
    ...BUILT_IN,
    ...factsOf(network),
  }));
  return [...others, ...alone];
}
