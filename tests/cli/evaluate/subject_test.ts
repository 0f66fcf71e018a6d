import assert from "node:assert/strict";
import { SCORED_QUANTILES } from "../../../src/cli/evaluate/score.ts";
import { settingNamed, type Trial, trialOf } from "../../../src/cli/evaluate/settings.ts";
import {
  BASELINE,
  CHECKPOINT_PREFIX,
  LIVE_PREFIX,
  openSubject,
  PEER_NAMES,
  PLAIN_COMMITTEE,
  subjectNames,
} from "../../../src/cli/evaluate/subject.ts";
import { forecastWindow } from "../../../src/cli/window_forecast.ts";
import { fnv1a32 } from "../../../src/base/hash.ts";
import { seedRandom } from "../../../src/base/random.ts";
import type { Model } from "../../../src/models/model.ts";
import {
  COMMITTEE_NETWORKS,
  DEFAULT_MODEL,
  MODEL_NAMES,
  modelNamed,
  MODELS,
  networkNamed,
  servingNetworks,
} from "../../../src/models/mod.ts";
import { networkOf, parseNeural } from "../../../src/models/neural/network.ts";
import { encodeWeights } from "../../../src/models/neural/weights.ts";
import { withFolder } from "../_run.ts";
import { waveWindows } from "./_window.ts";

const [WINDOW] = waveWindows(1);
const WIDTH = SCORED_QUANTILES.length;

/** Weights that nobody trained: the smallest network of a kind. */
function tinyWeights(kind: "s5" | "mamba", step: number): Uint8Array {
  const config = parseNeural({ kind, width: 8, depth: 1, state: 4, mlp: 6, head: 5 });
  const tensors = networkOf(config).init(seedRandom(1));
  return encodeWeights({ config, tensors, step }, "f16");
}

function trial(setting: string): Trial {
  return trialOf(WINDOW!, settingNamed(setting))!;
}

Deno.test("subjectNames() are every model that serves and every peer", () => {
  const names = subjectNames();
  for (const name of [...MODEL_NAMES, ...PEER_NAMES]) assert.ok(names.includes(name), name);
  for (const { name } of servingNetworks()) assert.ok(names.includes(name), name);
  assert.equal(
    names.includes(PLAIN_COMMITTEE),
    COMMITTEE_NETWORKS.some((name) => networkNamed(name) !== undefined),
  );
});

Deno.test("openSubject() forecasts a window as `driftline forecast` does", async () => {
  for (const [setting, hint] of [["given", "season"], ["found", "none"]] as const) {
    const subject = (await openSubject("structural"))!;
    const fitted = subject.fit(trial(setting));
    const rows = fitted.forecast(trial(setting).asked);
    const { q } = forecastWindow({
      window: WINDOW!,
      model: "structural",
      hint,
      perturb: "none",
      seed: 1,
    });
    for (let lead = 0; lead < 8; lead++) {
      for (let k = 0; k < WIDTH; k++) assert.equal(rows[lead * WIDTH + k], q![k]![lead]);
    }
    assert.equal(subject.version, modelNamed("structural").name);
    assert.ok(fitted.stateBytes! > 1000);
  }
});

Deno.test("openSubject() tells a model that there is no season", async () => {
  const subject = (await openSubject("seasonal_naive"))!;
  const median = (setting: string) => {
    const rows = subject.fit(trial(setting)).forecast(trial(setting).asked);
    return Array.from({ length: 8 }, (_, lead) => rows[lead * WIDTH + 5]!);
  };
  const range = (values: number[]) => Math.max(...values) - Math.min(...values);
  // Without a season every lead repeats the last value, but for what past errors correct.
  assert.ok(range(median("none")) < 1);
  assert.ok(range(median("given")) > 5);
});

Deno.test("peers see the grid, and join their leads by straight lines", async () => {
  const naive = (await openSubject(BASELINE))!;
  assert.ok(naive.isPeer);
  const rows = naive.fit(trial("lead2")).forecast(trial("lead2").asked);
  const even = naive.fit(trial("rate2")).forecast(trial("rate2").asked);
  const median = (values: Float64Array, row: number) => values[row * WIDTH + 5]!;
  const last = WINDOW!.context.at(-1)!;
  assert.equal(median(rows, 1), median(even, 0));
  assert.ok(Math.abs(median(rows, 0) - (last + median(even, 0)) / 2) < 1e-9);
  assert.ok(Math.abs(median(rows, 2) - (median(even, 0) + median(even, 1)) / 2) < 1e-9);
  assert.equal(naive.fit(trial("given")).stateBytes, null);
});

Deno.test("openSubject() forecasts by augurs on gaps filled by straight lines", async () => {
  const subject = (await openSubject("augurs-mstl"))!;
  for (const setting of ["given", "drop50", "jitter", "rate4"]) {
    const rows = subject.fit(trial(setting)).forecast(trial(setting).asked);
    assert.equal(rows.length, trial(setting).asked.length * WIDTH);
    assert.ok(rows.every(Number.isFinite), setting);
  }
});

Deno.test("openSubject() takes the weights of a checkpoint as a model of their own", async () => {
  await withFolder(async (folder) => {
    const versions = new Set<string>();
    for (const [kind, step, name] of [["s5", 7, "neural@7"], ["mamba", 9, "neural_mamba@9"]]) {
      const path = `${folder}/weights-${step}.safetensors`;
      await Deno.writeFile(path, tinyWeights(kind as "s5" | "mamba", step as number));
      const subject = (await openSubject(`${CHECKPOINT_PREFIX}${path}`))!;
      assert.equal(subject.name, name);
      assert.equal(subject.source, `@${path}`);
      const rows = subject.fit(trial("given")).forecast(trial("given").asked);
      assert.ok(rows.length === 8 * WIDTH && rows.every(Number.isFinite));
      versions.add(subject.version);
    }
    assert.equal(versions.size, 2);
    const missing = openSubject(`${CHECKPOINT_PREFIX}${folder}/none.safetensors`);
    await assert.rejects(missing, Deno.errors.NotFound);
  });
});

Deno.test("openSubject() has the committee without its network, too", async () => {
  const subject = (await openSubject(PLAIN_COMMITTEE))!;
  assert.equal(subject.version, MODELS[DEFAULT_MODEL]!.name);
});

Deno.test("openSubject() lists what there is", async () => {
  await assert.rejects(openSubject("oracle"), /models is "oracle", expected one of committee/);
});

Deno.test("openSubject() of a live model feeds it the samples of the context", async () => {
  const live = (await openSubject(`${LIVE_PREFIX}structural`))!;
  assert.equal(live.name, "structural");
  const shown = trial("found");
  const rows = live.fit(shown).forecast(shown.asked);
  const atOnce = (await openSubject("structural"))!.fit(shown).forecast(shown.asked);
  assert.notDeepEqual(rows, atOnce);
  const model = MODELS["structural"]! as Model;
  const state = model.initialState({
    epochNs: 0n,
    horizon: shown.horizon,
    lower: null,
    upper: null,
    seed: fnv1a32(shown.id),
    seasonsS: [],
  });
  shown.values.forEach((value, i) => {
    model.absorb(state, Float64Array.of(i * shown.slotS), Float64Array.of(value));
  });
  const times = shown.asked.map((slot) => slot * shown.slotS);
  assert.deepEqual(model.forecast(state, times, SCORED_QUANTILES), rows);
  await assert.rejects(openSubject(`${LIVE_PREFIX}${BASELINE}`), /models/);
});
