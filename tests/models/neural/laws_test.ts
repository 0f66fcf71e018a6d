/** The laws of every model that serves, run over networks with drawn weights. */
import assert from "node:assert/strict";
import { packTree } from "../../../src/base/tree.ts";
import { COMMITTEE_NETWORKS, modelNamed, setModel } from "../../../src/models/mod.ts";
import { modelLaws } from "../_laws.ts";
import { channel, hours, seasonalWalk } from "../_series.ts";
import { drawnNetwork } from "./_network.ts";

setModel("neural", drawnNetwork());
setModel("neural_small", drawnNetwork({ depth: 1 }));
setModel("neural_mamba", drawnNetwork({ kind: "mamba", width: 8, state: 4, mlp: 0 }));

for (const name of ["neural", "neural_mamba", "committee"]) {
  modelLaws(name, modelNamed(name), true);
}

for (const name of ["neural", "committee"]) {
  Deno.test(`${name}: the state stays within its bound, and its share of coverage is kept`, () => {
    const model = modelNamed(name);
    const state = model.initialState(channel({ horizon: 96 }));
    const values = seasonalWalk(2600, 21).map((value, i) =>
      Math.abs(value) + 60 + 5 * Math.sin(2 * Math.PI * i / 168)
    );
    let largest = 0;
    for (let from = 0; from < 2600; from += 650) {
      const end = from + 650;
      model.absorb(state, hours(end).subarray(from), values.subarray(from, end));
      largest = Math.max(largest, packTree(state).length);
    }
    assert.ok(largest <= model.stateBytesMax, `${largest} bytes`);
    const summary = model.summary(state);
    assert.deepEqual(summary.seasonsS, [24 * 3600, 168 * 3600]);
    assert.ok(Math.abs(summary.coverage[0]!.value - 0.8) < 0.08, `${summary.coverage[0]!.value}`);
    const voices = Object.keys(summary.weights).filter((member) => member.startsWith("neural"));
    assert.deepEqual(voices, name === "neural" ? ["neural"] : COMMITTEE_NETWORKS);
  });
}
