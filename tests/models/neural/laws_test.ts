/** The laws of every model that serves, run over networks with drawn weights. */
import assert from "node:assert/strict";
import { packTree } from "../../../src/base/tree.ts";
import { installModel, modelNamed } from "../../../src/models/mod.ts";
import { modelLaws } from "../_laws.ts";
import { channel, HOUR_S, hours, seasonalWalk } from "../_series.ts";
import { drawnNetwork } from "./_network.ts";

installModel(drawnNetwork("neural"));
installModel(drawnNetwork("neural_mamba", { kind: "mamba", width: 8, state: 4, mlp: 0 }));

for (const name of ["neural", "neural_mamba", "committee"]) {
  modelLaws(name, modelNamed(name), true);
}
