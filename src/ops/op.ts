/**
 * The contract of an op: one primitive of the numeric core, defined by its TypeScript twin and
 * claimed again by a shader; `tests/ops/laws_test.ts` holds every member to it.
 *
 * An op is pure: outputs are a function of inputs and params, inputs are never written, every
 * element of every output is.
 */
import type { GpuLimits } from "../device/device.ts";
import type { RandomState } from "../base/random.ts";
import type { Shape } from "../tensor/shape.ts";
import type { FloatArray, Tensor } from "../tensor/tensor.ts";

/** Values by name: `Required` always there, `Optional` perhaps. */
export type Named<Required extends string, Optional extends string, T> =
  & { readonly [key in Required]: T }
  & { readonly [key in Optional]?: T | undefined };

/**
 * One primitive.
 *
 * @typeParam P    parameters: plain data, part of the pipeline's key
 * @typeParam I    names of the inputs that must be given
 * @typeParam Opt  names of the inputs that may be left out
 * @typeParam O    names of the outputs
 */
export interface Op<P, I extends string, Opt extends string, O extends string> {
  /** Name of the file in `src/ops` and of the shader. */
  readonly name: string;
  readonly inputs: readonly I[];
  readonly optional: readonly Opt[];
  readonly outputs: readonly O[];
  /**
   * Checks the inputs' shapes and the params; gives the outputs' shapes.
   *
   * @throws {ShapeError} an axis differs
   * @throws {InvalidValueError} a parameter is out of range
   */
  outputShapes(shapes: Named<I, Opt, Shape>, params: P): { readonly [key in O]: Shape };
  /** The twin: the definition. Arrays are all f32 or all f64. */
  cpu(
    inputs: Named<I, Opt, FloatArray>,
    outputs: { readonly [key in O]: FloatArray },
    shapes: Named<I, Opt, Shape>,
    params: P,
  ): void;
  /** How a GPU computes the same. */
  launch(shapes: Named<I, Opt, Shape>, params: P, limits: GpuLimits): LaunchPlan;
  /** Elementary operations, in the op's own unit: what the crossover is measured against. */
  work(shapes: Named<I, Opt, Shape>, params: P): number;
  /** A case of about this much work: for benches and for the crossover between devices. */
  sized(work: number): OpCase<P, I, Opt>;
  /** Inputs on which the laws are checked. */
  readonly cases: readonly OpCase<P, I, Opt>[];
  /** Largest allowed max|x − ref| / max|ref| in f32, with its reason in the op's header. */
  readonly tolerance: number;
}

/** An op of any signature, as the hub lists it. */
export type AnyOp = Op<any, any, any, any>;

/** A run of the op's shaders, with tensors by name. */
export interface LaunchPlan {
  /** Buffers that live for this run only: name -> count of f32 elements. */
  readonly scratch: Readonly<Record<string, number>>;
  /** Constants computed on the host in f64, kept on the device under their key. */
  readonly tables?: Readonly<Record<string, { key: string; make: () => Float32Array }>>;
  readonly passes: readonly Pass[];
}

/** One dispatch. */
export interface Pass {
  readonly entry: string;
  readonly constants: Readonly<Record<string, number | string>>;
  readonly dims: Readonly<Record<string, number>>;
  /** Names of inputs, outputs, scratch or tables that the entry point touches. */
  readonly bindings: readonly string[];
  readonly workgroups: readonly [number, number, number];
}

/** Inputs for a law. Values are rounded to f32, so that f64 and f32 start from the same. */
export interface OpCase<P, I extends string, Opt extends string> {
  readonly name: string;
  /** In the short list that start-up and `doctor` run. */
  readonly quick?: boolean;
  readonly params: P;
  inputs(random: RandomState): Named<I, Opt, Tensor>;
}

/** Declares an op; only fixes the types. */
export function defineOp<P, I extends string, Opt extends string, O extends string>(
  op: Op<P, I, Opt, O>,
): Op<P, I, Opt, O> {
  return op;
}
