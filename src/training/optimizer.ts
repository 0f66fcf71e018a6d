/**
 * AdamW over named parameters that live on a device. Nothing is read to the host: the gradients'
 * global norm stays on the device too.
 */
import type { Device, DeviceTensor } from "../device/device.ts";
import { openScope } from "../device/scope.ts";
import { adam, runOp, squaredNorm } from "../ops/mod.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";
import { readAll, type Tensors, uploadAll } from "./tensors.ts";

/** Options of {@linkcode openOptimizer}. */
export interface OptimizerOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  /** Weight decay; default 0.01. */
  readonly decay?: number;
  /** Decay is added to the gradient (Adam with L2) instead of taken from the weight. */
  readonly decayInGradient?: boolean;
  /** The root takes the largest variance so far (AMSGrad). */
  readonly amsgrad?: boolean;
  /** Gradients are scaled so that their global norm is at most this. */
  readonly clipNorm?: number;
  /**
   * What differs for a parameter by its name: parameters of state-space systems (A, dt) usually
   * take no decay and a smaller rate.
   */
  readonly ofParameter?: (name: string) => { rateScale?: number; decay?: number };
}

/** What a checkpoint holds of an optimizer. */
export interface OptimizerState {
  /** Steps taken. */
  readonly steps: number;
  /** Moving averages by parameter, `mean/NAME`, `variance/NAME` and with AMSGrad `largest/NAME`. */
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** An optimizer and its moving averages. */
export interface Optimizer {
  /**
   * Takes one step. The old parameters and averages are freed, the gradients are not.
   *
   * @param rate  learning rate of this step
   * @returns     the new parameters, under the same names
   */
  step(
    parameters: Tensors,
    gradients: Readonly<Record<string, DeviceTensor | undefined>>,
    rate: number,
  ): Record<string, DeviceTensor>;
  /** Squared global norm of the last step's gradients, [1]; undefined without `clipNorm`. */
  squaredNorm(): DeviceTensor | undefined;
  /** Copies the state to the host. */
  save(): Promise<OptimizerState>;
  /** Frees what the optimizer keeps on the device. */
  release(): void;
}

/** AdamW with the customary constants: 0.9, 0.999, 1e-8, decay 0.01. */
const DEFAULTS = { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.01 } as const;

/**
 * Opens an optimizer on a device.
 *
 * @param saved  a state to go on from: the same gradients then give the same steps
 */
export function openOptimizer(
  device: Device,
  options: OptimizerOptions = {},
  saved?: OptimizerState,
): Optimizer {
  const { ofParameter, clipNorm, amsgrad, ...rest } = options;
  const constants = { ...DEFAULTS, ...rest, ...(clipNorm !== undefined && { clipNorm }) };
  const averages = new Map(Object.entries(uploadAll(device, saved?.tensors ?? {})));
  let steps = saved?.steps ?? 0;
  let norm: DeviceTensor | undefined;

  function averageOf(on: Device, kind: string, name: string, like: DeviceTensor): DeviceTensor {
    return averages.get(`${kind}/${name}`) ?? on.upload(zeros(like.shape, like.dtype));
  }

  return {
    step(parameters, gradients, rate) {
      // A scope, so that a step that finds no memory leaves everything as it was.
      const scope = openScope(device);
      try {
        const known = Object.values(gradients).filter((each) => each !== undefined);
        const total = clipNorm === undefined ? undefined : totalNorm(scope, known);
        const next: Record<string, DeviceTensor> = {};
        const moved = new Map<string, DeviceTensor>();
        // Freed together at the end, so that steps take turns between the same two sets of memory.
        const outdated: DeviceTensor[] = [];
        for (const [name, parameter] of Object.entries(parameters)) {
          const gradient = gradients[name];
          if (gradient === undefined) {
            next[name] = parameter;
            continue;
          }
          const { rateScale = 1, ...own } = ofParameter?.(name) ?? {};
          const mean = averageOf(scope, "mean", name, parameter);
          const variance = averageOf(scope, "variance", name, parameter);
          const largest = amsgrad ? averageOf(scope, "largest", name, parameter) : undefined;
          const given = { parameter, gradient, mean, variance, largest, squaredNorm: total };
          const step = { ...constants, ...own, rate: rate * rateScale, step: steps + 1 };
          const { nextParameter, nextMean, nextVariance, nextLargest } = runOp(
            scope,
            adam,
            given,
            step,
          );
          moved.set(`mean/${name}`, nextMean);
          moved.set(`variance/${name}`, nextVariance);
          if (amsgrad) moved.set(`largest/${name}`, nextLargest);
          else outdated.push(nextLargest);
          outdated.push(mean, variance, parameter);
          if (largest !== undefined) outdated.push(largest);
          next[name] = nextParameter;
        }
        for (const tensor of [...Object.values(next), ...moved.values()]) scope.keep(tensor);
        for (const [name, tensor] of moved) averages.set(name, tensor);
        if (norm !== undefined) outdated.push(norm);
        norm = total && scope.keep(total);
        steps++;
        for (const tensor of outdated) scope.free(tensor);
        return next;
      } finally {
        scope.release();
      }
    },
    squaredNorm: () => norm,
    async save() {
      return { steps, tensors: await readAll(device, Object.fromEntries(averages)) };
    },
    release() {
      for (const tensor of averages.values()) device.free(tensor);
      averages.clear();
      if (norm !== undefined) device.free(norm);
      norm = undefined;
    },
  };
}

/** The sum of squares over all gradients, on the device. */
function totalNorm(device: Device, gradients: readonly DeviceTensor[]): DeviceTensor | undefined {
  const scope = openScope(device);
  try {
    let total: DeviceTensor | undefined;
    for (const x of gradients) total = runOp(scope, squaredNorm, { x, total }, {}).norm;
    return total && scope.keep(total);
  } finally {
    scope.release();
  }
}
