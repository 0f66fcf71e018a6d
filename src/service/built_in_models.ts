import { sha256Hex } from "../base/hash.ts";
import { DEFAULT_MODEL, MODELS } from "../models/mod.ts";
import type { ServingModel } from "./models.ts";

/** The models of the program as they are told of, the default first. */
export function builtInModels(): ServingModel[] {
  return Object.entries(MODELS).map(([name, model]) => ({
    name,
    kind: name === DEFAULT_MODEL ? "committee" : "member",
    origin: "built-in",
    // A version in the model's own name changes with its behaviour.
    hash: sha256Hex(model.name),
    parameters: 0,
    stateBytesMax: model.stateBytesMax,
    base: null,
    job: null,
    createdAt: null,
  }));
}
