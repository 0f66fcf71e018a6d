/**
 * Serving a backbone of Mamba blocks: one run a block for the whole batch (`mamba_step`), states
 * advanced where they lie. A sample travels as one row of slot, oldest input, elapsed time and
 * features, all of them in one write a step. On a GPU the launches of a batch size are made once
 * and issued again and again, so that a step allocates nothing there.
 */
import { InvalidValueError } from "../base/errors.ts";
import { type Launch, viewOf } from "../device/device.ts";
import { type Device, type DeviceTensor, openScope, type ScopedDevice } from "../device/mod.ts";
import type { LayerState, MambaConfig } from "../layers/mod.ts";
import { roundedToHalf } from "../ops/_helpers/half_storage.ts";
import { fromLanesInto, LANE, toLanesInto } from "../ops/_helpers/lanes.ts";
import { mambaHalfPass } from "../ops/_helpers/mamba_step_plan.ts";
import { canStepFused, type MambaStepParams, packMambaWeights } from "../ops/mamba_step.ts";
import { mambaStep, mambaStepHalf, matmul, normMatmul, runInto } from "../ops/mod.ts";
import type { AnyOp } from "../ops/op.ts";
import { prepareOp, preparePass } from "../ops/run.ts";
import { asDtype, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { type Backbone, NORM_EPS } from "./backbone.ts";
import type { BackboneConfig } from "./backbone_config.ts";
import {
  readerOf,
  type ReadOutputs,
  type ServingPlan,
  type ServingSamples,
} from "./serving_plan.ts";
import { StateTables, type TableSpec } from "./serving_tables.ts";

/** Fields of a sample's row before its features. */
export const FUSED_HEAD_FIELDS = 3;
/** A batch is filled up to a multiple of an eighth of its power of two, and at least of this. */
const BATCH_STEP_MIN = 8;
const STEPS_PER_DOUBLING = 8;

function classStep(batch: number): number {
  return Math.max(BATCH_STEP_MIN, 2 ** Math.floor(Math.log2(batch)) / STEPS_PER_DOUBLING);
}

/** The batch size whose launches run a batch: one of few, so that they are made once. */
export function batchClass(batch: number): number {
  const step = classStep(batch);
  return Math.ceil(batch / step) * step;
}

/** The most streams, of at most so many, whose batches hold no padding beyond them. */
export function wholeBatches(most: number): number {
  const step = classStep(most);
  return Math.floor(most / step) * step;
}

/** One block. */
interface Block {
  readonly prefix: string;
  readonly params: MambaStepParams;
}

function blocksOf({ layers, width, norm }: BackboneConfig): Block[] {
  return layers.map(({ config }, i) => {
    const { state, width: taps, expand, dtRank, bias } = config as unknown as MambaConfig;
    const sizes = { feature: width, inner: width * expand, state, width: taps, rank: dtRank, bias };
    const params = { ...sizes, norm: norm === "rms", eps: NORM_EPS };
    return { prefix: `layers.${i}.`, params };
  });
}

/** Why a backbone cannot be served by fused steps, or undefined where it can. */
export function fusedObstacle(config: BackboneConfig, device: Device): string | undefined {
  if (config.layers.some(({ name }) => name !== "mamba")) return "a layer is not mamba";
  if (config.mlp > 0) return "an MLP stands between the layers";
  if (config.norm === "layer") return "its norm is not rms";
  if (config.input.kind !== "signal") return "its input is tokens";
  const blocks = blocksOf(config);
  const [first] = blocks;
  if (blocks.some(({ params }) => params.width !== first!.params.width)) {
    return "its convolutions differ in length";
  }
  for (const { params } of blocks) {
    const { feature, inner, state } = params;
    if ([feature, inner, state].some((size) => size % LANE !== 0)) {
      return `a size is no multiple of ${LANE}`;
    }
    if (device.kind === "webgpu" && !canStepFused(params, device.limits)) {
      return "a block is too wide for the device's workgroups";
    }
  }
  return undefined;
}

/** How states lie on a device: in f32, or packed, two binary16 numbers to a word. */
function stateTable({ prefix, params }: Block, isPacked: boolean): TableSpec {
  const { inner, state } = params;
  const spec = { name: `${prefix}ssm`, shape: [1, inner, state] };
  if (!isPacked) {
    return {
      ...spec,
      deviceShape: [state / LANE, inner, LANE],
      encodeInto: (lanes, host) => toLanesInto(lanes, host, inner, state),
      decodeInto: (host, lanes) => fromLanesInto(host, lanes, inner, state),
    };
  }
  return {
    ...spec,
    deviceShape: [state / LANE, inner, LANE / 2],
    encodeInto(words, host) {
      const lanes = new Float32Array(host.length);
      toLanesInto(lanes, host, inner, state);
      new Float16Array(words.buffer).set(lanes.map(roundedToHalf));
    },
    decodeInto(host, words) {
      const lanes = new Float32Array(new Float16Array(words.buffer, words.byteOffset, host.length));
      fromLanesInto(host, lanes, inner, state);
    },
  };
}

/** The two tensors of a block's state. */
function tablesOf(block: Block, isPacked: boolean): TableSpec[] {
  const { prefix, params } = block;
  const { inner, width } = params;
  const past = width - 1;
  return [{
    name: `${prefix}conv`,
    shape: [1, inner, past],
    deviceShape: [past, inner],
    encodeInto(ring, host) {
      for (let i = 0; i < host.length; i++) {
        ring[i % past * inner + Math.floor(i / past)] = host[i]!;
      }
    },
    decodeInto(host, ring, oldest) {
      for (let i = 0; i < host.length; i++) {
        host[i] = ring[(oldest + i % past) % past * inner + Math.floor(i / past)]!;
      }
    },
  }, stateTable(block, isPacked)];
}

/** The input layer's weight with a column of zeros for each field before the features. */
function inputWeight(weight: Tensor, width: number, feature: number): Tensor {
  const fields = FUSED_HEAD_FIELDS + feature;
  const data = new Float32Array(width * fields);
  for (let i = 0; i < weight.data.length; i++) {
    data[Math.floor(i / feature) * fields + FUSED_HEAD_FIELDS + i % feature] = weight.data[i]!;
  }
  return tensorOf([width, fields], data);
}

type Tensors = Readonly<Record<string, DeviceTensor>>;

/** How one op of a step is issued. */
type Issue = (op: AnyOp, inputs: Tensors, params: unknown, targets: Tensors) => void;

/** How a block is. */
type IssueBlock = (tensors: Tensors, params: MambaStepParams, out: DeviceTensor) => void;

/** Weights on the device. */
interface Weights {
  readonly input: DeviceTensor;
  readonly inputBias: DeviceTensor;
  readonly blocks: readonly DeviceTensor[];
  readonly norm: DeviceTensor | undefined;
  readonly output: DeviceTensor;
  readonly outputBias: DeviceTensor;
}

function uploadWeights(
  device: Device,
  config: BackboneConfig,
  blocks: readonly Block[],
  tensors: Readonly<Record<string, Tensor>>,
): Weights {
  const upload = (tensor: Tensor) => device.upload(asDtype(tensor, "f32"));
  const need = (name: string) => {
    const tensor = tensors[name];
    if (tensor === undefined) throw new InvalidValueError(name, undefined, "a tensor");
    return tensor;
  };
  const feature = config.input.kind === "signal" ? config.input.feature : 0;
  return {
    input: upload(inputWeight(need("input.weight"), config.width, feature)),
    inputBias: upload(need("input.bias")),
    blocks: blocks.map(({ prefix, params }) => {
      const part = (name: string) => need(`${prefix}mixer.${name}`);
      const optional = (name: string) => tensors[`${prefix}mixer.${name}`];
      const packed = packMambaWeights(params, {
        inProj: part("inProj"),
        inBias: optional("inBias"),
        convWeight: part("convWeight"),
        convBias: part("convBias"),
        xProj: part("xProj"),
        dtProj: part("dtProj"),
        dtBias: part("dtBias"),
        logA: part("logA"),
        D: part("D"),
        outProj: part("outProj"),
        outBias: optional("outBias"),
        normWeight: tensors[`${prefix}norm.weight`],
      });
      const tensor = device.alloc([packed.length], "f32", "resident");
      device.write(tensor, new Float32Array(packed));
      return tensor;
    }),
    norm: config.norm === "rms" ? upload(need("norm.weight")) : undefined,
    output: upload(need("output.weight")),
    outputBias: upload(need("output.bias")),
  };
}

/** What is served, and how. */
export interface FusedOptions {
  readonly capacity: number;
  /** How the recurrences' states are kept; windows are f32. */
  readonly states?: "f32" | "f16" | undefined;
}

/** A backbone of Mamba blocks served by fused steps. */
class FusedServing implements ServingPlan {
  readonly tables: StateTables;
  readonly ring: number;
  readonly #device: Device;
  readonly #held: ScopedDevice;
  readonly #config: BackboneConfig;
  readonly #blocks: readonly Block[];
  readonly #weights: Weights;
  readonly #fields: number;
  /** Buffers of the largest batch: samples, features between the blocks (twice), outputs. */
  readonly #rows: DeviceTensor;
  readonly #features: readonly [DeviceTensor, DeviceTensor];
  readonly #outputs: DeviceTensor;
  /** By batch class; there are few. */
  readonly #launches = new Map<number, readonly Launch[]>();
  readonly #isHalf: boolean;

  constructor(
    device: Device,
    config: BackboneConfig,
    tensors: Readonly<Record<string, Tensor>>,
    initial: LayerState,
    { capacity, states = "f32" }: FusedOptions,
  ) {
    this.#isHalf = states === "f16";
    this.#device = device;
    this.#config = config;
    this.#blocks = blocksOf(config);
    this.#fields = FUSED_HEAD_FIELDS + (config.input.kind === "signal" ? config.input.feature : 0);
    this.ring = Math.max(1, this.#blocks[0]!.params.width - 1);
    const held = openScope(device);
    this.#held = held;
    try {
      this.#weights = uploadWeights(held, config, this.#blocks, tensors);
      const most = batchClass(capacity);
      this.#rows = held.alloc([most, this.#fields], "f32");
      const features = [most, config.width];
      this.#features = [held.alloc(features, "f32"), held.alloc(features, "f32")];
      this.#outputs = held.alloc([most, config.output.size], "f32");
      const isPacked = this.#isHalf && device.kind === "webgpu";
      const specs = this.#blocks.flatMap((block) => tablesOf(block, isPacked));
      this.tables = new StateTables(device, capacity, specs, initial);
    } catch (error) {
      held.release();
      throw error;
    }
  }

  step(samples: ServingSamples, oldest: Uint8Array): ReadOutputs {
    const batch = samples.slots.length;
    const size = this.#device.kind === "webgpu" ? batchClass(batch) : batch;
    this.#device.write(
      viewOf(this.#rows, 0, [size, this.#fields]),
      this.#filled(size, samples, oldest),
    );
    if (this.#device.kind === "webgpu") this.#device.dispatch(this.#launchesOf(size));
    else this.#issueOps(size, (...call) => void runInto(this.#device, ...call));
    const y = viewOf(this.#outputs, 0, [batch, this.#config.output.size]);
    return readerOf(this.#device, y, false);
  }

  launches(batch: number): readonly Launch[] | undefined {
    return this.#device.kind === "webgpu" ? this.#launchesOf(batchClass(batch)) : undefined;
  }

  free(): void {
    this.tables.free();
    this.#held.release();
  }

  /** The rows of a batch, filled up with padding. */
  #filled(size: number, samples: ServingSamples, oldest: Uint8Array): Float32Array<ArrayBuffer> {
    const { slots, inputs, elapsed } = samples;
    const fields = this.#fields;
    const feature = fields - FUSED_HEAD_FIELDS;
    const data = new Float32Array(size * fields);
    for (let b = 0, at = 0; b < slots.length; b++, at += fields) {
      const slot = slots[b]!;
      data[at] = slot;
      data[at + 1] = oldest[slot]!;
      data[at + 2] = 1;
    }
    if (elapsed !== undefined) {
      for (let b = 0; b < slots.length; b++) data[b * fields + 2] = elapsed[b]!;
    }
    for (let f = 0; f < feature; f++) {
      const place = FUSED_HEAD_FIELDS + f;
      for (let b = 0; b < slots.length; b++) data[b * fields + place] = inputs[b * feature + f]!;
    }
    for (let b = slots.length; b < size; b++) data[b * fields] = -1;
    return data;
  }

  #launchesOf(size: number): readonly Launch[] {
    const kept = this.#launches.get(size);
    if (kept !== undefined) return kept;
    const launches: Launch[] = [];
    const held = this.#held;
    if (held.kind !== "webgpu") throw new TypeError("the scope of a GPU is a GPU");
    const issue: Issue = (op, inputs, params, targets) => {
      launches.push(...prepareOp(held, op, inputs, params, targets).launches);
    };
    if (this.#isHalf) {
      this.#issue(size, issue, (tensors, params, out) => {
        const run = { batch: size, rows: tensors["state"]!.shape[0]!, fields: this.#fields };
        const { state: words, window: nextWindow, ...given } = tensors as Required<Tensors>;
        const bound = { ...given, words: words!, nextWindow: nextWindow!, out };
        launches.push(...preparePass(held, mambaHalfPass(run, params, held.limits), bound));
      });
    } else this.#issueOps(size, issue);
    this.#launches.set(size, launches);
    return launches;
  }

  /** The ops of a step, blocks being ops, too. */
  #issueOps(size: number, issue: Issue): void {
    const op = this.#isHalf ? mambaStepHalf : mambaStep;
    this.#issue(size, issue, (tensors, params, out) => {
      const { state, window } = tensors as Required<Tensors>;
      issue(op, tensors, params, { out, nextState: state!, nextWindow: window! });
    });
  }

  /** All that a step over a batch of this size runs. */
  #issue(size: number, issue: Issue, issueBlock: IssueBlock): void {
    const { width, output } = this.#config;
    const weights = this.#weights;
    const rows = viewOf(this.#rows, 0, [size, this.#fields]);
    const [first, second] = this.#features.map((tensor) => viewOf(tensor, 0, [size, width]));
    let [x, spare] = [first!, second!];
    const turn = () => [x, spare] = [spare, x];
    const linear = { transposeB: true };
    issue(matmul, { a: rows, b: weights.input, bias: weights.inputBias }, linear, { c: x });
    this.#blocks.forEach(({ prefix, params }, i) => {
      const state = this.tables.tensor(`${prefix}ssm`);
      const window = this.tables.tensor(`${prefix}conv`);
      issueBlock({ x, rows, weights: weights.blocks[i]!, state, window }, params, spare);
      turn();
    });
    const y = viewOf(this.#outputs, 0, [size, output.size]);
    const last = { b: weights.output, bias: weights.outputBias };
    if (weights.norm === undefined) issue(matmul, { ...last, a: x }, linear, { c: y });
    else issue(normMatmul, { ...last, x, weight: weights.norm }, { eps: NORM_EPS }, { c: y });
  }
}

/**
 * Prepares serving by fused steps, where {@linkcode fusedObstacle} names none.
 *
 * @throws {LimitError} the states or the weights do not fit on the device
 */
export function openFused(
  device: Device,
  backbone: Backbone,
  tensors: Readonly<Record<string, Tensor>>,
  options: FusedOptions,
): ServingPlan {
  const initial = backbone.initialState(1, "f32");
  return new FusedServing(device, backbone.config, tensors, initial, options);
}
