/**
 * A stored state is read by code that may be newer than the one that wrote it. What protects it is
 * the name of its model: another layout must go by another name, or old snapshots are read as what
 * they are not. So the layouts are pinned here to the names.
 */
import assert from "node:assert/strict";
import { sha256Hex } from "../../src/base/hash.ts";
import type { Tree } from "../../src/base/tree.ts";
import { detectors } from "../../src/detectors/mod.ts";
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

/** Hourly samples with a day and a missing value: every member and both filters come to life. */
function absorbed(name: string): Tree {
  const model = modelNamed(name);
  const config = { epochNs: 0n, horizon: 12, lower: null, upper: null, seed: 1, seasonsS: [] };
  const state = model.initialState(config);
  const times = Float64Array.from({ length: 150 }, (_, i) => i * 3_600);
  const values = times.map((_, i) => i === 70 ? NaN : 50 + 9 * Math.sin(i * Math.PI / 12) + i % 5);
  model.absorb(state, times, values);
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
  const all = [...models, ...detectors.map(({ name }, i) => [name, detected(i)] as const)];
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
