/**
 * The contract of an op: one primitive of the numeric core, defined by its TypeScript twin and
 * claimed again by a shader; `tests/ops/laws_test.ts` holds every member to it.
 *
 * An op is pure: outputs are a function of inputs and params, inputs are never written, every
 * element of every output is. A caller may pass an input's own tensor as the output that goes on
 * from it ({@linkcode Op.resident}); then, and only then, the run takes place where the input lay.
 *
 * An op that can be trained through also says how gradients pass back: its {@linkcode Backward} is
 * written and checked in the same two ways, as a twin and as passes of the op's shader.
 */
import type { GpuLimits, SimdPlan } from "../device/device.ts";
import type { RandomState } from "../base/random.ts";
import type { Shape } from "../tensor/shape.ts";
import type { FloatArray, Tensor } from "../tensor/tensor.ts";

/** Values by name: `Required` always there, `Optional` perhaps. */
export type Named<Required extends string, Optional extends string, T> =
  & { readonly [key in Required]: T }
  & { readonly [key in Optional]?: T | undefined };

/** What the gradient with respect to an input or an output is called: `gradX0` for `x0`. */
export type GradientOf<Name extends string> = `grad${Capitalize<Name>}`;

/** The name of a gradient. */
export function gradientName<Name extends string>(name: Name): GradientOf<Name> {
  return `grad${name.charAt(0).toUpperCase()}${name.slice(1)}` as GradientOf<Name>;
}

/** Values by name of which each may be absent. */
export type Some<Name extends string, T> = { readonly [key in Name]?: T | undefined };

/**
 * How the gradient of a scalar loss passes back through an op. A complex number's gradient is
 * dL/dRe + i·dL/dIm: the plain gradient of its two stored numbers.
 */
export interface Backward<P, I extends string, Opt extends string, O extends string> {
  /** The inputs and outputs whose values it reads; a tape keeps these and no others. */
  readonly needs: readonly (I | Opt | O)[];
  /** Those of `needs` that it reads with these parameters; all of them where absent. */
  needsWith?(params: P): readonly (I | Opt | O)[];
  /**
   * The twin: writes the gradient of every input that was given.
   *
   * @param given     what `needs` names where the op had it, and the gradient of every output
   * @param gradients of every given input, to be filled
   * @param shapes    of the op's inputs
   */
  cpu(
    given: Some<I | Opt | O | GradientOf<O>, FloatArray>,
    gradients: Some<GradientOf<I | Opt>, FloatArray>,
    shapes: Named<I, Opt, Shape>,
    params: P,
  ): void;
  /** How a GPU computes the same. */
  launch(shapes: Named<I, Opt, Shape>, params: P, limits: GpuLimits): LaunchPlan;
  /**
   * Inputs whose gradient is that of the first output as it is, element by element: a tape hands it
   * on and does not copy it.
   */
  handsOn?(shapes: Named<I, Opt, Shape>): readonly (I | Opt)[];
  /** How SIMD kernels compute the same in f32; undefined: the twin does. */
  simd?(shapes: Named<I, Opt, Shape>, params: P): SimdPlan | undefined;
  /** Largest allowed max|x − ref| / max|ref| of a gradient in f32. */
  readonly tolerance: number;
}

/** The names of the values that an op's backward reads with these parameters. */
export function needsOf(
  backward: Backward<any, any, any, any>,
  params: unknown,
): readonly string[] {
  return backward.needsWith?.(params) ?? backward.needs;
}

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
  /** How SIMD kernels compute the same in f32; undefined: the twin does. */
  simd?(shapes: Named<I, Opt, Shape>, params: P): SimdPlan | undefined;
  /**
   * Outputs that begin as a copy of an input of the same shape: output -> input. The runner makes
   * the copy, and none where the caller gives the input's own tensor for the output; the op's forms
   * find the values in the output, advance what they advance there, and never touch the input. So
   * states of many streams stay where they are on a device.
   */
  readonly resident?: { readonly [key in O]?: I | Opt };
  /** Elementary operations, in the op's own unit: what the crossover is measured against. */
  work(shapes: Named<I, Opt, Shape>, params: P): number;
  /** A case of about this much work: for benches and for the crossover between devices. */
  sized(work: number): OpCase<P, I, Opt>;
  /** Inputs on which the laws are checked. */
  readonly cases: readonly OpCase<P, I, Opt>[];
  /** Largest allowed max|x − ref| / max|ref| in f32, with its reason in the op's header. */
  readonly tolerance: number;
  /** How gradients pass back; a tape refuses to record an op without it. */
  readonly backward?: Backward<P, I, Opt, O>;
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
  /** The shader's file where it is not the op's own: `shared/column_sums`. */
  readonly shader?: string;
  readonly entry: string;
  readonly constants: Readonly<Record<string, number | string>>;
  readonly dims: Readonly<Record<string, number>>;
  /**
   * Names of inputs, outputs, scratch or tables that the entry point touches. `variable=tensor`
   * binds a tensor to a shader variable of another name, so that an entry serves more than once.
   */
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
