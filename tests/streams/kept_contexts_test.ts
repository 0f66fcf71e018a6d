import assert from "node:assert/strict";
import type { ForecasterModel } from "../../src/models/forecaster.ts";
import { modelNamed } from "../../src/models/mod.ts";
import { KeptContexts } from "../../src/streams/kept_contexts.ts";

const CONFIG = { epochNs: 5n, horizon: 4, lower: null, upper: null, seed: 1, seasonsS: [86_400] };
const TIMES = Float64Array.from({ length: 60 }, (_, i) => i * 3600);
const VALUES = TIMES.map((_, i) => i % 7);

/** A model that counts its fits. */
function counted(): { model: ForecasterModel; fits: () => number } {
  let fits = 0;
  const own = modelNamed("seasonal_naive");
  const model: ForecasterModel = {
    ...own,
    stateOfContext(...given) {
      fits++;
      return own.stateOfContext(...given);
    },
  };
  return { model, fits: () => fits };
}

Deno.test("KeptContexts fits a context once, and any other anew", () => {
  const { model, fits } = counted();
  const keeping = new KeptContexts(9).keeping(model);
  const first = keeping.stateOfContext(CONFIG, TIMES, VALUES);
  assert.equal(keeping.stateOfContext({ ...CONFIG }, TIMES.slice(), VALUES.slice()), first);
  assert.equal(fits(), 1);
  const others = [
    [{ ...CONFIG, horizon: 5 }, TIMES, VALUES],
    [{ ...CONFIG, epochNs: 6n }, TIMES, VALUES],
    [{ ...CONFIG, seasonsS: [] }, TIMES, VALUES],
    [{ ...CONFIG, lower: 0 }, TIMES, VALUES],
    [CONFIG, TIMES.map((time) => time + 1), VALUES],
    [CONFIG, TIMES, VALUES.map((value, i) => i === 30 ? value + 1e-9 : value)],
    [CONFIG, TIMES.subarray(1), VALUES.subarray(1)],
  ] as const;
  others.forEach(([config, times, values], i) => {
    keeping.stateOfContext(config, times, values);
    assert.equal(fits(), 2 + i);
  });
});

Deno.test("KeptContexts keeps so many states and no more, those used last", () => {
  const { model, fits } = counted();
  const contexts = new KeptContexts(2);
  const keeping = contexts.keeping(model);
  const ask = (seed: number) => keeping.stateOfContext({ ...CONFIG, seed }, TIMES, VALUES);
  for (const seed of [1, 2, 1, 3]) ask(seed);
  assert.deepEqual([contexts.size, fits()], [2, 3]);
  ask(1);
  assert.equal(fits(), 3);
  ask(2);
  assert.deepEqual([contexts.size, fits()], [2, 4]);
});

Deno.test("KeptContexts tells models of two names apart", () => {
  const contexts = new KeptContexts(4);
  const naive = contexts.keeping(modelNamed("seasonal_naive"));
  const mean = contexts.keeping(modelNamed("mean"));
  assert.notEqual(
    naive.stateOfContext(CONFIG, TIMES, VALUES),
    mean.stateOfContext(CONFIG, TIMES, VALUES),
  );
});
