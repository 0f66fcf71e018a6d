/** The laws of every model that serves, run over networks with drawn weights. */
import { modelNamed, setModel } from "../../../src/models/mod.ts";
import { modelLaws } from "../_laws.ts";
import { drawnNetwork } from "./_network.ts";

setModel("neural", drawnNetwork());
setModel("neural_mamba", drawnNetwork({ kind: "mamba", width: 8, state: 4, mlp: 0 }));

for (const name of ["neural", "neural_mamba", "committee"]) {
  modelLaws(name, modelNamed(name), true);
}
