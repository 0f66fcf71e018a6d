/**
 * Launch plans, kept. A plan follows from an op's shapes, params and the device's limits alone, and
 * a loop asks for the same plans in every turn; making them took the caller's thread most of the
 * time that it spends on an op.
 */
import { LimitError } from "../base/errors.ts";
import { invariant } from "../base/invariant.ts";
import type { GpuLimits, Launch } from "../device/device.ts";
import type { Shape } from "../tensor/shape.ts";
import { type AnyOp, gradientName, type LaunchPlan, type Pass } from "./op.ts";

/** Plans kept of an op on a device; all go when there are more, as where a param counts steps. */
export const PLANS_MAX = 256;

/** A pass that waits for its tensors. */
export interface ReadyPass {
  /** The launch without what it binds; every one that is made of it shares `template`. */
  readonly launch: Omit<Launch, "bindings"> & { readonly template: object };
  /** Shader variable and tensor's name of each binding. */
  readonly bound: readonly (readonly [variable: string, tensor: string])[];
}

/** A plan with all that follows from it. */
export interface ReadyPlan {
  /** Shapes of what it fills: outputs, or on the way back gradients. */
  readonly outputShapes: Readonly<Record<string, Shape>>;
  readonly scratch: readonly (readonly [name: string, shape: Shape])[];
  readonly tables:
    readonly (readonly [name: string, table: { key: string; make(): Float32Array }])[];
  readonly passes: readonly ReadyPass[];
}

/** Which of an op's two plans. */
export type Way = "forward" | "backward";

type Shapes = Readonly<Record<string, Shape>>;
type Kept = Readonly<Record<Way, Map<string, ReadyPlan>>>;

const kept = new WeakMap<AnyOp, WeakMap<GpuLimits, Kept>>();

function keptOf(op: AnyOp, limits: GpuLimits): Kept {
  let byLimits = kept.get(op);
  if (byLimits === undefined) kept.set(op, byLimits = new WeakMap());
  let plans = byLimits.get(limits);
  if (plans === undefined) {
    byLimits.set(limits, plans = { forward: new Map(), backward: new Map() });
  }
  return plans;
}

/**
 * Plain data as text: equal texts are equal values. JSON would not tell NaN and infinities apart.
 *
 * @throws {TypeError} a value is no plain data
 */
export function textOf(value: unknown): string {
  switch (typeof value) {
    case "number":
    case "boolean":
    case "undefined":
      return `${value}`;
    case "string":
      return JSON.stringify(value);
    case "object": {
      if (value === null) return "null";
      if (Array.isArray(value)) return `[${value.map(textOf).join()}]`;
      let text = "{";
      for (const [name, part] of Object.entries(value)) text += `${name}:${textOf(part)},`;
      return `${text}}`;
    }
    default:
      throw new TypeError(`A ${typeof value} is no plain data`);
  }
}

/**
 * A pass without its tensors.
 *
 * @param own  the shader of a pass that names none
 * @throws {LimitError} it needs more workgroups than the device takes
 */
export function readyPass(own: string, pass: Pass, limits: GpuLimits): ReadyPass {
  const axisMax = limits.workgroupsPerAxisMax;
  for (const count of pass.workgroups) {
    if (count > axisMax) throw new LimitError("workgroupsPerAxisMax", axisMax, count, pass.entry);
  }
  const { shader = own, entry, constants, dims, workgroups } = pass;
  const bound = pass.bindings.map((binding) => {
    const [variable, name = variable] = binding.split("=") as [string, string?];
    return [variable, name] as const;
  });
  return { launch: { shader, entry, constants, dims, workgroups, template: {} }, bound };
}

function ready(
  op: AnyOp,
  { scratch, tables = {}, passes }: LaunchPlan,
  outputShapes: Shapes,
  limits: GpuLimits,
): ReadyPlan {
  return {
    outputShapes,
    scratch: Object.entries(scratch).map(([name, count]) => [name, [count]]),
    tables: Object.entries(tables),
    passes: passes.map((pass) => readyPass(op.name, pass, limits)),
  };
}

/**
 * The plan of an op, or of its way back, for inputs of these shapes.
 *
 * @throws {ShapeError} an axis of an input differs from what the op needs
 * @throws {InvalidValueError} a parameter is out of range
 * @throws {LimitError} a launch needs more workgroups than the device takes
 */
export function planOf(
  op: AnyOp,
  way: Way,
  shapes: Shapes,
  params: unknown,
  limits: GpuLimits,
): ReadyPlan {
  const plans = keptOf(op, limits)[way];
  const key = textOf(shapes) + textOf(params);
  let plan = plans.get(key);
  if (plan !== undefined) return plan;
  if (way === "forward") {
    const outputShapes = op.outputShapes(shapes, params);
    plan = ready(op, op.launch(shapes, params, limits), outputShapes, limits);
  } else {
    invariant(op.backward, `op ${op.name} has a backward`);
    const gradientShapes = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [gradientName(name), shape]),
    );
    plan = ready(op, op.backward.launch(shapes, params, limits), gradientShapes, limits);
  }
  if (plans.size >= PLANS_MAX) plans.clear();
  plans.set(key, plan);
  return plan;
}
