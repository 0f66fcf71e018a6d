import { detectors } from "../detectors/mod.ts";
import { modelNamed, setModel } from "../models/mod.ts";
import type { PartsOf } from "./shard.ts";

/** Models and detectors of the hubs. */
export const hubParts: PartsOf = {
  model: modelNamed,
  setModel,
  detector: () => detectors[0] ?? null,
};
