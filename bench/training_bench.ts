/**
 * One training iteration on the GPU, taken apart: the host's time to issue it, the wall time of a
 * run of them, and the GPU's own time of the whole and by shader entry.
 *
 *   deno run -A bench/training_bench.ts [--shapes small|large] [--member NAME]... [--json]
 *   deno run -A bench/training_bench.ts --model mamba4 [--batch 32] [--length 2048] [--width 256]
 *       [--precision mixed] [--recompute]
 *
 * Members stand in blocks of x + member(rms_norm(x)) at width 64, as the tasks train them. A model
 * is a whole one, from a signal to quantiles of its next sample, trained as `driftline train` does:
 * loss, gradients, their norm clipped, AdamW. `mamba4` is what bench/peers/mamba_training.py runs
 * in torch. `forecaster_s5`, `forecaster_s5_small` and `forecaster_mamba` are the networks of the
 * neural forecaster at the size of their pretraining. `large` shapes need a real GPU; a software
 * adapter gets the small ones. Entries are timed one by one with their own buffers, after the
 * iterations have warmed the device up.
 */
import { parseArgs } from "node:util";
import { ARGS, BenchError, oneOf, runBench, wholeNumber } from "./args.ts";
import { seedRandom } from "../src/base/random.ts";
import { openTape } from "../src/autodiff/tape.ts";
import { type Device, openScope, openWebGpu, type WebGpuDevice } from "../src/device/mod.ts";
import type { DeviceTensor } from "../src/device/device.ts";
import { type AnyLayer, LAYERS } from "../src/layers/mod.ts";
import { backboneOf } from "../src/models/backbone.ts";
import { memberDefaults, memberNamed, parseBackbone } from "../src/models/backbone_config.ts";
import { add, rmsNorm, runOp } from "../src/ops/mod.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import { asDtype, type Tensor, tensorOf } from "../src/tensor/tensor.ts";
import { backboneObjective } from "../src/training/objective.ts";
import { openOptimizer } from "../src/training/optimizer.ts";
import type { Minibatch } from "../src/training/examples.ts";
import { openTraining, type TrainingOptions } from "../src/training/training.ts";
import { type IterationReport, iterationText, measureIterations, spyOn } from "./iteration.ts";
import {
  FORECASTER_SIZES,
  FORECASTER_SIZES_SMALL,
  FORECASTERS,
  measureForecaster,
} from "./neural_training.ts";

const BUDGET_BYTES = 64 * 2 ** 30;
const TIMED_ITERATIONS = 10;
const WIDTH = 64;
const BLOCKS = 2;
const QUANTILES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

interface Shape3 {
  readonly batch: number;
  readonly length: number;
  readonly width: number;
}

const MODEL_SHAPE: Shape3 = { batch: 32, length: 2048, width: 256 };
const MODEL_SHAPE_SMALL: Shape3 = { batch: 2, length: 64, width: 32 };
const SIZE_MAX = 1 << 20;

/** What each member is configured to; others take their defaults. */
const CONFIGS: Readonly<Record<string, Record<string, unknown>>> = {
  mamba: {
    feature: WIDTH,
    state: 16,
    width: 4,
    expand: 2,
    dtRank: 4,
    bias: false,
    dtMin: 0.001,
    dtMax: 0.1,
  },
  s4d: {
    feature: WIDTH,
    state: 64,
    start: "lin",
    discretization: "zoh",
    dtMin: 0.001,
    dtMax: 0.1,
    activation: "gelu",
    mix: true,
  },
};

function configOf(name: string): unknown {
  return CONFIGS[name] ?? memberDefaults(memberNamed(name), WIDTH);
}

/** Whole models by name. */
const MODELS: Readonly<Record<string, readonly string[]>> = {
  mamba4: ["mamba", "mamba", "mamba", "mamba"],
};

function noise(shape: readonly number[], seed: number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(12.9898 * ((i + seed) % 4093) ** 2);
  return tensorOf(shape, data);
}

function blocks(
  device: Device,
  member: AnyLayer,
  config: unknown,
  tensors: Readonly<Record<string, DeviceTensor>>,
  input: DeviceTensor,
): DeviceTensor {
  const scope = openScope(device);
  let x = input;
  for (let block = 0; block < BLOCKS; block++) {
    const own = Object.fromEntries(
      Object.entries(tensors)
        .filter(([name]) => name.startsWith(`${block}.`))
        .map(([name, tensor]) => [name.slice(2), tensor]),
    );
    const { out: y } = runOp(scope, rmsNorm, { x, weight: own["norm"]! }, { eps: 1e-5 });
    const mixed = member.forward(scope, { config, tensors: own }, y);
    x = runOp(scope, add, { a: x, b: mixed.y }, {}).out;
  }
  scope.keep(x);
  scope.release();
  return x;
}

async function measureMember(
  device: WebGpuDevice,
  member: AnyLayer,
  config: unknown,
  { batch, length, width }: Shape3,
): Promise<IterationReport> {
  const spy = spyOn(device);
  const random = seedRandom(1);
  const initial: Record<string, Tensor> = {};
  for (let block = 0; block < BLOCKS; block++) {
    initial[`${block}.norm`] = tensorOf([width], new Float64Array(width).fill(1));
    for (const [name, tensor] of Object.entries(member.init(config, random).tensors)) {
      initial[`${block}.${name}`] = tensor;
    }
  }
  const dims = [batch, length, width];
  const x = device.upload(noise(dims, 1));
  const seed = device.upload(noise(dims, 2));
  const optimizer = openOptimizer(spy.device, initial, { clipNorm: 1 });
  const report = await measureIterations(device, spy, {
    name: `${member.name} ${batch}×${length}×${width}, ${BLOCKS} blocks`,
    iterate() {
      const tape = openTape(spy.device);
      const tensors = optimizer.parameters;
      for (const [key, tensor] of Object.entries(tensors)) tape.watch(tensor, optimizer.homes[key]);
      const y = blocks(tape.device, member, config, tensors, x);
      tape.backward([[y, seed]]);
      tape.device.free(y);
      const gradients = Object.fromEntries(
        Object.entries(tensors).map(([name, tensor]) => [name, tape.gradient(tensor)]),
      );
      optimizer.step(gradients, 1e-4);
      tape.release();
    },
    finish: () => device.read(Object.values(optimizer.parameters)[0]!),
  }, TIMED_ITERATIONS);
  optimizer.release();
  for (const tensor of [x, seed]) device.free(tensor);
  return report;
}

async function measureModel(
  device: WebGpuDevice,
  name: string,
  { batch, length, width }: Shape3,
  memory: Pick<TrainingOptions<Minibatch>, "precision" | "recompute">,
): Promise<IterationReport> {
  const spy = spyOn(device);
  const model = backboneOf(parseBackbone({
    input: { kind: "signal", feature: 1 },
    width,
    layers: MODELS[name],
    output: { size: QUANTILES.length },
  }));
  const initial = Object.entries(model.init(seedRandom(1))).map(([key, tensor]) =>
    [key, asDtype(tensor, "f32")] as const
  );
  const minibatch = { input: noise([batch, length, 1], 1), target: noise([batch, length], 2) };
  const training = openTraining(spy.device, Object.fromEntries(initial), {
    objective: backboneObjective(model, { kind: "quantile", quantiles: QUANTILES }),
    minibatch: () => minibatch,
    schedule: { kind: "constant", rate: 1e-4 },
    seed: 1,
    optimizer: { clipNorm: 1 },
    ...memory,
  });
  const report = await measureIterations(device, spy, {
    name: `${name} ${batch}×${length}×${width}${memory.precision === "mixed" ? ", mixed" : ""}` +
      (memory.recompute ? ", recomputed" : ""),
    iterate: () => training.iterate(),
    finish: () => training.settle(),
  }, TIMED_ITERATIONS);
  training.release();
  return report;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      shapes: { type: "string" },
      member: { type: "string", multiple: true },
      model: { type: "string", multiple: true },
      batch: { type: "string" },
      length: { type: "string" },
      width: { type: "string" },
      precision: { type: "string", default: "f32" },
      recompute: { type: "boolean" },
      json: { type: "boolean" },
    },
  });
  const shapes = values.shapes && oneOf("shapes", values.shapes, ["small", "large"]);
  const known = [...Object.keys(MODELS), ...FORECASTERS];
  const models = (values.model ?? []).map((name) => oneOf("model", name, known));
  const names = LAYERS.map(({ name }) => name);
  const members = (values.member ?? (models.length === 0 ? Object.keys(CONFIGS) : []))
    .map((name) => oneOf("member", name, names));
  const sizes = {
    ...(values.batch && { batch: wholeNumber("batch", values.batch, SIZE_MAX) }),
    ...(values.length && { length: wholeNumber("length", values.length, SIZE_MAX) }),
    ...(values.width && { width: wholeNumber("width", values.width, SIZE_MAX) }),
  };
  const precision = oneOf("precision", values.precision, ["f32", "mixed"]);
  const opened = await openWebGpu({ budgetBytes: BUDGET_BYTES });
  if ("unavailable" in opened) throw new BenchError(`No GPU: ${opened.unavailable}`);
  const { device } = opened;
  const isLarge = (shapes ?? (device.info.software ? "small" : "large")) === "large";
  const reports: IterationReport[] = [];
  const note = (report: IterationReport) => {
    reports.push(report);
    if (!values.json) console.log(`\n${iterationText(report)}`);
  };
  const memory = {
    ...(precision === "mixed" && { precision }),
    ...(values.recompute && { recompute: true }),
  };
  for (const name of models) {
    if (FORECASTERS.includes(name)) {
      const { width: _, ...rest } = { width: 0, ...sizes };
      const shape = { ...(isLarge ? FORECASTER_SIZES : FORECASTER_SIZES_SMALL), ...rest };
      note(await measureForecaster(device, name, shape, memory, TIMED_ITERATIONS));
      continue;
    }
    const shape = { ...(isLarge ? MODEL_SHAPE : MODEL_SHAPE_SMALL), ...sizes };
    note(await measureModel(device, name, shape, memory));
  }
  for (const name of members) {
    const member = memberNamed(name);
    const memberShapes = isLarge
      ? [{ batch: 64, length: 4096 }, { batch: 32, length: 256 }]
      : [{ batch: 2, length: 128 }];
    for (const shape of memberShapes) {
      note(await measureMember(device, member, configOf(name), { ...shape, width: WIDTH }));
    }
  }
  if (values.json) console.log(JSON.stringify(reports));
  await device.close();
}

if (import.meta.main) await runBench(main);
