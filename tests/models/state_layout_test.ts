/**
 * A stored state is read by code that may be newer than the one that wrote it. What protects it is
 * the name of its model: another layout must go by another name, or old snapshots are read as what
 * they are not. So the layouts are pinned here to the names.
 */
import assert from "node:assert/strict";
import { sha256Hex } from "../../src/base/hash.ts";
import type { Tree } from "../../src/base/tree.ts";
import { detectors } from "../../src/detectors/mod.ts";
import { INFORMED_VERSION, informedAbsorb, informedStart } from "../../src/models/informed.ts";
import { MODEL_NAMES, modelNamed } from "../../src/models/mod.ts";

const PINNED = new URL("../testdata/state_layouts.json", import.meta.url);

/** Names and kinds of all fields; lengths and values are left out, and equal items told once. */
function layoutOf(value: Tree): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  if (Array.isArray(value)) return `[${[...new Set(value.map(layoutOf))].sort().join("|")}]`;
  const fields = Object.entries(value).map(([key, item]) => `${key}:${layoutOf(item)}`);
  return `{${fields.join(",")}}`;
}

const CONFIG = { epochNs: 0n, horizon: 12, lower: null, upper: null, seed: 1, seasonsS: [] };

/** Hourly samples with a day and a missing value: every member and both filters come to life. */
const TIMES = Float64Array.from({ length: 150 }, (_, i) => i * 3_600);
const VALUES = TIMES.map((_, i) => i === 70 ? NaN : 50 + 9 * Math.sin(i * Math.PI / 12) + i % 5);

function absorbed(name: string): Tree {
  const model = modelNamed(name);
  const state = model.initialState(CONFIG);
  model.absorb(state, TIMES, VALUES);
  return state;
}

/** The same beside a covariate that says something, so that an effect has been learned. */
function informed(): Tree {
  const model = modelNamed("structural");
  const state = informedStart(model, CONFIG, 1);
  const covariate = TIMES.map((_, i) => Math.sin(i * i));
  const values = VALUES.map((value, i) => value + 20 * covariate[i]!);
  informedAbsorb(model, state, TIMES, values, [covariate]);
  assert.notEqual(state.learned, null);
  return state;
}

function detected(index: number): Tree {
  const detector = detectors[index]!;
  const state = detector.initialState({ channels: 1, seed: 1 });
  const times = Float64Array.from({ length: 300 }, (_, i) => i);
  const out = { score: new Float64Array(300), flag: new Float64Array(300), events: [] };
  detector.absorb(state, times, [times.map((_, i) => i % 7)], out);
  return state;
}

function layouts(): Record<string, string> {
  const models = MODEL_NAMES.map((name) => [modelNamed(name).name, absorbed(name)] as const);
  const beside = [
    `${modelNamed("structural").name} beside covariates/${INFORMED_VERSION}`,
    informed(),
  ] as const;
  const all = [...models, beside, ...detectors.map(({ name }, i) => [name, detected(i)] as const)];
  return Object.fromEntries(
    all.map(([name, state]) => [name, sha256Hex(layoutOf(state)).slice(0, 16)]),
  );
}

Deno.test("a state's layout goes by one name for ever", () => {
  const pinned = JSON.parse(Deno.readTextFileSync(PINNED)) as Record<string, string>;
  for (const [name, layout] of Object.entries(layouts())) {
    assert.ok(name in pinned, `"${name}" is new: add "${name}": "${layout}" to ${PINNED.pathname}`);
    assert.equal(
      layout,
      pinned[name],
      `The layout of "${name}" changed: give it another version, and add "${layout}" under it`,
    );
  }
});
