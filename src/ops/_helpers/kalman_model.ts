/** The linear-Gaussian model as the Kalman ops take it: its shapes, and where its arrays lie. */
import { InvalidValueError, ShapeError } from "../../base/errors.ts";
import type { GpuLimits } from "../../device/device.ts";
import { expectShape, type Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import { chunkOf, groupsFor } from "./plan.ts";

/**
 * Most states of the shaders, which are written out in full, matrix element by matrix element, and
 * hold a chunk's matrices in an invocation's registers. The twins have no limit of their own.
 */
export const KALMAN_STATES_MAX = 8;
/** Most states of the shaders of the way back: for more, compilers take minutes. */
export const KALMAN_GRADIENT_STATES_MAX = 6;
/** Most channels of an observation on a GPU. */
export const KALMAN_OBSERVED_MAX = 4;

/**
 * Shortest chunk of the length. Crossing a chunk takes some steps' work, and its code as much of a
 * compiler's time as all the rest, which a series of one chunk is spared.
 */
const CHUNK_MIN = 64;

/** Invocations of a workgroup whose invocations each run a chunk in their own memory. */
export const KALMAN_CHUNK_GROUP = 32;

/** Sizes of a run of a filter or a smoother. */
export interface KalmanRun {
  readonly batch: number;
  readonly length: number;
  readonly state: number;
  readonly observed: number;
  readonly noise: number;
}

/**
 * From this many states on the shaders leave the rows of their matrices to loops on a GPU. Written
 * out, 8 states take its compiler more than half a minute, in loops some seconds; 4 states run
 * twice as fast written out. Software adapters are the other way round.
 */
const ROLLED_STATES_MIN = 5;

/** Whether the shaders' rows are loops: 1, or 0 where they are written out. */
export function isRolled({ state }: KalmanRun, { isSoftware = false }: GpuLimits): number {
  return state >= ROLLED_STATES_MIN && !isSoftware ? 1 : 0;
}

/** How the shaders cut the length: samples of a chunk, and how many chunks. */
export function kalmanChunks({ batch, length }: KalmanRun): { chunk: number; chunks: number } {
  const chunk = Math.max(CHUNK_MIN, chunkOf(length, batch));
  return { chunk, chunks: groupsFor(length, chunk) };
}

/** The arrays of a model, in the order in which a GPU packs them. */
export const MODEL_PARTS = [
  "A",
  "C",
  "processFactor",
  "observationFactor",
  "stateIntercept",
  "observationIntercept",
] as const;

/** One array of a model. */
export type ModelPart = (typeof MODEL_PARTS)[number];

/** How many leading axes an array has: 0 shared by all, 1 one a stream, 2 one a sample. */
export type LeadingAxes = 0 | 1 | 2;

/** Where an array of a model lies. */
export interface ModelPlace {
  readonly part: ModelPart;
  /** The array was given; otherwise it is 0. */
  readonly given: boolean;
  readonly axes: LeadingAxes;
  /** Elements of one slice. */
  readonly size: number;
  /** Place of the slice in the packed model. */
  readonly offset: number;
}

/** Shapes of a model's arrays by name. */
export type ModelShapes = { readonly [key in ModelPart]?: Shape | undefined };

const AXES: Readonly<
  Record<ModelPart, readonly [keyof KalmanRun, keyof KalmanRun] | [keyof KalmanRun]>
> = {
  A: ["state", "state"],
  C: ["observed", "state"],
  processFactor: ["state", "noise"],
  observationFactor: ["observed", "observed"],
  stateIntercept: ["state"],
  observationIntercept: ["observed"],
};

/**
 * Checks the shapes of a model.
 *
 * @returns   places of all its arrays, packed one behind the other
 * @throws {ShapeError} an axis differs
 */
export function modelPlaces(shapes: ModelShapes, run: KalmanRun): readonly ModelPlace[] {
  let offset = 0;
  return MODEL_PARTS.map((part) => {
    const names = AXES[part];
    const sizes = names.map((axis) => run[axis]);
    const shape = shapes[part];
    const axes = shape === undefined ? 0 : shape.length - names.length;
    if (axes !== 0 && axes !== 1 && axes !== 2) {
      throw new ShapeError(`rank of ${part}`, names.length, shape!.length);
    }
    if (shape !== undefined) {
      const leading = (["batch", "length"] as const).slice(0, axes);
      const expected = [...leading.map((axis) => run[axis]), ...sizes];
      expectShape(part, [...leading, ...names], expected, shape);
    }
    const size = sizes.reduce((a, b) => a * b, 1);
    const place: ModelPlace = { part, given: shape !== undefined, axes, size, offset };
    offset += size;
    return place;
  });
}

/**
 * Requires sizes that the shaders hold.
 *
 * @throws {InvalidValueError} more states, noises or channels; the message names the limit
 */
export function expectGpuSizes({ state, noise, observed }: KalmanRun, statesMax: number): void {
  const expectAtMost = (field: string, value: number, most: number) => {
    if (value > most) throw new InvalidValueError(field, value, `at most ${most} on a GPU`);
  };
  expectAtMost("A.state", state, statesMax);
  expectAtMost("processFactor.noise", noise, KALMAN_STATES_MAX);
  expectAtMost("C.observed", observed, KALMAN_OBSERVED_MAX);
}

/** The arrays of a model at one sample of one stream. */
export type ModelSlice = { readonly [key in ModelPart]: FloatArray };

/** Reads a model sample by sample; an array that is not given reads as 0. */
export function modelReader(
  places: readonly ModelPlace[],
  arrays: { readonly [key in ModelPart]?: FloatArray | undefined },
  length: number,
): (batch: number, time: number) => ModelSlice {
  const zeros = new Map(places.map(({ part, size }) => [part, new Float64Array(size)]));
  const isFixed = places.every(({ axes }) => axes < 2);
  let known: { batch: number; slice: ModelSlice } | undefined;
  return (batch, time) => {
    if (isFixed && known?.batch === batch) return known.slice;
    const slice: Partial<Record<ModelPart, FloatArray>> = {};
    for (const { part, axes, size } of places) {
      const at = sliceIndex(axes, batch, time, length) * size;
      slice[part] = arrays[part]?.subarray(at, at + size) ?? zeros.get(part)!;
    }
    known = { batch, slice: slice as ModelSlice };
    return known.slice;
  };
}

/** Which slice of an array a sample reads. */
export function sliceIndex(
  axes: LeadingAxes,
  batch: number,
  time: number,
  length: number,
): number {
  return axes === 0 ? 0 : axes === 1 ? batch : batch * length + time;
}
