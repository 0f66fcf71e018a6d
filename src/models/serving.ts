/**
 * Serving one backbone to many streams at once: their states stay on a device, and a step advances
 * those streams of which a sample has come, at the same cost for each whatever its past.
 *
 *   const serving = openServing(device, backbone, tensors, { capacity: 10_000 });
 *   const [a, b] = serving.open(2);
 *   const y = await serving.step({ slots: [a, b], inputs: [0.3, 1.7] });
 *   await serving.absorb([a], [{ input: thousandsOfSamples }]);
 *
 * A step gives what `Backbone.step` gives on the CPU and `Backbone.forward` over the whole sequence
 * (within 1e-4 of the largest output in f32; `tests/models/serving_test.ts`), and a stream's state
 * may move between them: {@linkcode Serving.read} and {@linkcode Serving.write} use the layout of
 * `Backbone.initialState`.
 *
 * Backbones of Mamba blocks are served by one fused run a block, all others op by op.
 */
import { InvalidValueError, LimitError, OverloadError } from "../base/errors.ts";
import type { Launch } from "../device/device.ts";
import type { Device } from "../device/mod.ts";
import type { LayerState } from "../layers/mod.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Backbone, refuseStep } from "./backbone.ts";
import type { Backlog } from "./backlog.ts";
import { absorbFrom, joinStates, stateOf } from "./serving_absorb.ts";
import { CHAIN_ROWS_MAX, CHAIN_STREAM_BYTES, openChain } from "./serving_chain.ts";
import { FUSED_HEAD_FIELDS, fusedObstacle, openFused, wholeBatches } from "./serving_fused.ts";
import { openParts } from "./serving_parts.ts";
import type { ServingPlan, ServingSamples } from "./serving_plan.ts";

/** Most streams of one serving; slots travel as f32 and stay exact far beyond. */
export const SERVING_CAPACITY_MAX = 1 << 20;
/** Steps that may wait for their outputs at once. */
export const SERVING_STEPS_MAX = 16;
/** What a caller who sends too many steps is told to wait. */
const RETRY_AFTER_S = 1;

/** A slot whose stream takes steps, and one whose state a backlog changes; others are 0. */
const OPEN = 1;
const ABSORBING = 2;

/** Options of {@linkcode openServing}. */
export interface ServingOptions {
  /** Streams that may be open at once, at most {@linkcode SERVING_CAPACITY_MAX}. */
  readonly capacity: number;
  /** `chain` serves op by op what could be served by fused steps; for tests. Default `auto`. */
  readonly plan?: "auto" | "chain";
  /**
   * How the states of Mamba blocks are kept; default `f32`. `f16` halves their memory on a GPU and
   * the time of a large step, and rounds them after every step: a state that decays by less than
   * 2^-11 a step takes small inputs no more. For models that were found to bear it.
   */
  readonly states?: "f32" | "f16";
}

export type { ServingSamples };

/** A backbone whose streams' states are on a device. Made by {@linkcode openServing}. */
export class Serving {
  /** Streams that may be open at once. */
  readonly capacity: number;
  /** Whether blocks run as fused steps, and if not, why. */
  readonly obstacle: string | undefined;
  readonly #device: Device;
  readonly #backbone: Backbone;
  readonly #tensors: Readonly<Record<string, Tensor>>;
  readonly #plan: ServingPlan;
  /** Slots that are not open, the next one last. */
  readonly #free: number[];
  readonly #isOpen: Uint8Array;
  /** Where the rings of each slot's last inputs begin. */
  readonly #oldest: Uint8Array;
  /** The step that last named a slot. */
  readonly #named: Uint32Array;
  #steps = 0;
  #waiting = 0;
  #isClosed = false;

  constructor(device: Device, backbone: Backbone, plan: ServingPlan, options: {
    readonly tensors: Readonly<Record<string, Tensor>>;
    readonly capacity: number;
    readonly obstacle: string | undefined;
  }) {
    this.#device = device;
    this.#backbone = backbone;
    this.#tensors = options.tensors;
    this.#plan = plan;
    this.capacity = options.capacity;
    this.obstacle = options.obstacle;
    this.#free = Array.from({ length: this.capacity }, (_, i) => this.capacity - 1 - i);
    this.#isOpen = new Uint8Array(this.capacity);
    this.#oldest = new Uint8Array(this.capacity);
    this.#named = new Uint32Array(this.capacity);
  }

  /** Streams that are open. */
  get size(): number {
    return this.capacity - this.#free.length;
  }

  /**
   * Opens streams, each in the state before its first sample.
   *
   * @returns their slots
   * @throws {InvalidValueError} the count is no whole number
   * @throws {LimitError} more than `capacity` streams would be open; none is opened
   */
  open(count = 1): Int32Array {
    this.#refuseWhenClosed();
    if (!Number.isInteger(count) || count < 0) {
      throw new InvalidValueError("count", count, "a whole number of at least 0");
    }
    if (count > this.#free.length) {
      throw new LimitError("capacity", this.capacity, this.size + count);
    }
    const slots = Int32Array.from({ length: count }, () => this.#free.pop()!);
    for (const slot of slots) {
      this.#isOpen[slot] = OPEN;
      this.#oldest[slot] = 0;
    }
    if (count > 0) this.#plan.tables.reset(Float32Array.from(slots));
    return slots;
  }

  /**
   * Closes streams: their states are gone, their slots free.
   *
   * @throws {InvalidValueError} a slot is not open; those before it are closed
   */
  release(slots: ArrayLike<number>): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = this.#openSlot(slots[i]!, `slots[${i}]`);
      this.#isOpen[slot] = 0;
      this.#free.push(slot);
    }
  }

  /**
   * Advances the streams of a batch by one sample each. Steps take effect in the order of the
   * calls; up to {@linkcode SERVING_STEPS_MAX} may be under way.
   *
   * @returns outputs, row by row                                             [batch, output]
   * @throws {InvalidValueError} a slot is not open or named twice, a number is not finite, an
   *   elapsed time is negative, or layers that run as fused steps have clocks of their own: no
   *   stream is advanced
   * @throws {OverloadError} too many steps are under way: no stream is advanced
   * @throws {LimitError} the device has no room for the step; where a serving has several parts,
   *   streams of some may be advanced
   * @throws {DeviceLostError} the states are gone with the device
   */
  async step(samples: ServingSamples): Promise<Float32Array> {
    this.#refuseWhenClosed();
    this.#check(samples);
    if (this.#waiting >= SERVING_STEPS_MAX) {
      throw new OverloadError(`${SERVING_STEPS_MAX} steps are under way`, RETRY_AFTER_S);
    }
    if (samples.slots.length === 0) return new Float32Array(0);
    const readOutputs = this.#plan.step(samples, this.#oldest);
    const { slots } = samples;
    const oldest = this.#oldest;
    const { ring } = this.#plan;
    for (let i = 0; i < slots.length; i++) {
      const next = oldest[slots[i]!]! + 1;
      oldest[slots[i]!] = next === ring ? 0 : next;
    }
    this.#waiting++;
    try {
      return await readOutputs();
    } finally {
      this.#waiting--;
    }
  }

  /**
   * Advances streams by many samples each, by the parallel form: what waits after a restart or a
   * gap, or a backfill. Takes effect after all steps issued so far; until it is done its streams
   * take no step. It fails as a whole: no stream is advanced then.
   *
   * @param backlogs one for each slot, in time order
   * @returns output after each stream's last sample, NaN for one without samples  [slot, output]
   * @throws {InvalidValueError} a slot is not open, named twice or absorbing already, or a backlog
   *   is none (see `absorbBacklogs`)
   * @throws {ShapeError} an axis of a backlog differs
   * @throws {LimitError} the device has no room for the run
   * @throws {DeviceLostError} the states are gone with the device
   */
  async absorb(slots: ArrayLike<number>, backlogs: readonly Backlog[]): Promise<Float32Array> {
    this.#refuseWhenClosed();
    expectCount("backlogs", slots.length, backlogs.length);
    this.#markSlots(slots);
    if (slots.length === 0) return new Float32Array(0);
    const own = Array.from(slots);
    for (const slot of own) this.#isOpen[slot] = ABSORBING;
    try {
      const read = own.map((slot) => this.#plan.tables.read(slot, this.#oldest[slot]!));
      const before = joinStates(await Promise.all(read));
      const parts = [this.#device, this.#backbone, this.#tensors] as const;
      const { y, states } = await absorbFrom(...parts, backlogs, before);
      own.forEach((slot, i) => {
        this.#plan.tables.write(slot, stateOf(states, i));
        this.#oldest[slot] = 0;
      });
      return y;
    } finally {
      for (const slot of own) this.#isOpen[slot] = OPEN;
    }
  }

  /**
   * Copies a stream's state to the host, after all steps issued so far.
   *
   * @returns f32, a batch of one in the layout of `Backbone.initialState`
   * @throws {InvalidValueError} the slot is not open
   */
  read(slot: number): Promise<LayerState> {
    this.#refuseWhenClosed();
    this.#openSlot(slot, "slot");
    return this.#plan.tables.read(slot, this.#oldest[slot]!);
  }

  /**
   * Overwrites a stream's state, after all steps issued so far.
   *
   * @param state  a batch of one in the layout of `Backbone.initialState`, of any dtype
   * @throws {InvalidValueError} the slot is not open
   * @throws {ShapeError} a tensor is absent or has another shape
   */
  write(slot: number, state: LayerState): void {
    this.#refuseWhenClosed();
    this.#openSlot(slot, "slot");
    this.#plan.tables.write(slot, state);
    this.#oldest[slot] = 0;
  }

  /**
   * What a step of so many samples launches on a GPU, of the samples of the last step: for benches.
   * Undefined on a CPU and where blocks run op by op.
   */
  launches(batch: number): readonly Launch[] | undefined {
    this.#refuseWhenClosed();
    return this.#plan.launches?.(batch);
  }

  /** Gives the device's memory back. The device stays open. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#plan.free();
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new TypeError("The serving is closed");
  }

  #openSlot(slot: number, field: string): number {
    const state = this.#isOpen[slot];
    if (state === OPEN) return slot;
    const wanted = state === ABSORBING ? "a slot that absorbs no backlog" : "the slot of a stream";
    throw new InvalidValueError(field, slot, wanted);
  }

  #check(samples: ServingSamples): void {
    const { slots, inputs } = samples;
    const { input } = this.#backbone.config;
    const feature = input.kind === "tokens" ? 1 : input.feature;
    expectCount("inputs", slots.length * feature, inputs.length);
    const times = this.#timesOf(samples);
    for (const [name, { length }] of times) expectCount(name, slots.length, length);
    this.#markSlots(slots);
    const wrongInput = firstWrong(inputs, -Infinity);
    if (wrongInput >= 0) {
      throw new InvalidValueError(`inputs[${wrongInput}]`, inputs[wrongInput], "a finite number");
    }
    for (const [name, elapsed] of times) {
      const wrong = firstWrong(elapsed, 0);
      if (wrong < 0) continue;
      const field = `${name}[${wrong}]`;
      throw new InvalidValueError(field, elapsed[wrong], "a finite number of at least 0");
    }
  }

  /** The elapsed times of a batch, each with its field. */
  #timesOf({ elapsed, clocks }: ServingSamples): (readonly [string, ArrayLike<number>])[] {
    if (clocks === undefined) return elapsed === undefined ? [] : [["elapsed", elapsed]];
    if (elapsed !== undefined) throw new InvalidValueError("clocks", "given", "none with elapsed");
    if (this.obstacle === undefined) {
      throw new InvalidValueError("clocks", "given", "elapsed, as blocks run as fused steps");
    }
    expectCount("clocks", this.#backbone.config.layers.length, clocks.length);
    return clocks.map((times, layer) => [`clocks[${layer}]`, times]);
  }

  /** Requires open slots, each of them once. */
  #markSlots(slots: ArrayLike<number>): void {
    const step = this.#nextStep();
    const [isOpen, named] = [this.#isOpen, this.#named];
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i]!;
      if (isOpen[slot] !== OPEN) this.#openSlot(slot, `slots[${i}]`);
      if (named[slot] === step) {
        throw new InvalidValueError(`slots[${i}]`, slot, "a slot that the batch names once");
      }
      named[slot] = step;
    }
  }

  /** Counts checks, so that a slot's mark of an earlier one needs no clearing. */
  #nextStep(): number {
    this.#steps = (this.#steps + 1) >>> 0;
    if (this.#steps === 0) {
      this.#named.fill(0);
      this.#steps = 1;
    }
    return this.#steps;
  }
}

/** The first number that is below `least` or not finite; -1 where there is none. */
function firstWrong(values: ArrayLike<number>, least: number): number {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!(value >= least && value < Infinity && value > -Infinity)) return i;
  }
  return -1;
}

function expectCount(field: string, expected: number, actual: number): void {
  if (actual !== expected) throw new InvalidValueError(`${field}.length`, actual, `${expected}`);
}

/**
 * Streams that one part of a serving may have on a device: each tensor of states, inputs and
 * outputs is one binding of a GPU.
 */
function rowsMost(device: Device, backbone: Backbone, isFused: boolean): number {
  if (device.kind === "cpu") return SERVING_CAPACITY_MAX;
  const { input, width, output } = backbone.config;
  const fields = FUSED_HEAD_FIELDS + (input.kind === "signal" ? input.feature : 0);
  const states = Object.values(backbone.initialState(1, "f32")).map(({ data }) => data.length);
  const floats = Math.max(fields, width, output.size, ...states);
  const bytes = Math.max(4 * floats, isFused ? 0 : CHAIN_STREAM_BYTES);
  const most = Math.floor(device.limits.bindingBytesMax / bytes);
  // Where not one stream fits, the device's own error says so.
  return Math.max(1, isFused ? wholeBatches(most) : Math.min(most, CHAIN_ROWS_MAX));
}

/**
 * Opens a backbone for serving on a device, with room for so many streams. Where a GPU has no
 * binding that holds a state of all of them, they are split over several parts (`openParts`).
 *
 * @param tensors  parameters by flat name, as `Backbone.init` or a checkpoint gives them
 * @throws {InvalidValueError} the capacity is no whole number from 1 on, the backbone has no
 *   recurrent form, or it is not of Mamba blocks and states shall be f16
 * @throws {LimitError} the capacity is over {@linkcode SERVING_CAPACITY_MAX}, or the states do not
 *   fit on the device
 */
export function openServing(
  device: Device,
  backbone: Backbone,
  tensors: Readonly<Record<string, Tensor>>,
  { capacity, plan = "auto", states = "f32" }: ServingOptions,
): Serving {
  refuseStep(backbone.config);
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new InvalidValueError("capacity", capacity, "a whole number of at least 1");
  }
  if (capacity > SERVING_CAPACITY_MAX) {
    throw new LimitError("SERVING_CAPACITY_MAX", SERVING_CAPACITY_MAX, capacity);
  }
  const obstacle = plan === "chain"
    ? "the chain was asked for"
    : fusedObstacle(backbone.config, device);
  if (states === "f16" && obstacle !== undefined) {
    throw new InvalidValueError("states", states, `f32, since ${obstacle}`);
  }
  const isFused = obstacle === undefined;
  const opened = openParts(
    capacity,
    rowsMost(device, backbone, isFused),
    (rows) =>
      isFused
        ? openFused(device, backbone, tensors, { capacity: rows, states })
        : openChain(device, backbone, tensors, rows),
  );
  return new Serving(device, backbone, opened, { tensors, capacity, obstacle });
}
