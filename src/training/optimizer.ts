/**
 * AdamW over named parameters that live on a device. Nothing is read to the host: the gradients'
 * global norm stays on the device too.
 *
 * Parameters, moving averages and gradients lie in an arena each, so that a step is one launch, and
 * the norm two, however many parameters there are.
 */
import { type Device, type DeviceTensor, openScope, type ScopedDevice } from "../device/mod.ts";
import { copyInto } from "../ops/_helpers/in_place.ts";
import { ADAM_RUN, ADAM_SETTING } from "../ops/adam.ts";
import { adam, runOp, squaredNorm } from "../ops/mod.ts";
import { sizeOf } from "../tensor/shape.ts";
import { floatArray, type Tensor, zeros } from "../tensor/tensor.ts";
import { type ArenaLayout, layoutOf, packed, placeElements, readArenas, viewsOf } from "./arena.ts";
import type { Tensors } from "./tensors.ts";

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

/** Parameters, and what an optimizer keeps of them. */
export interface Optimizer {
  /** The parameters by name; a step leaves other tensors in their place. */
  readonly parameters: Tensors;
  /** Memory for a gradient of each parameter; one that lies there needs no copy. */
  readonly homes: Tensors;
  /** How parameters lie in {@linkcode Optimizer.arenas}. */
  readonly layout: ArenaLayout;
  /** The parameters as they lie in memory. */
  readonly arenas: readonly DeviceTensor[];
  /**
   * Takes one step. A parameter without a gradient stays as it is, and so do its averages. Where
   * there is no memory for the step, nothing has changed.
   *
   * @param gradients  by name, in their homes or elsewhere; they stay the caller's
   * @param rate       learning rate of this step
   */
  step(gradients: Readonly<Record<string, DeviceTensor | undefined>>, rate: number): void;
  /** Squared global norm of the last step's gradients, [1]; undefined without `clipNorm`. */
  squaredNorm(): DeviceTensor | undefined;
  /** Copies the parameters to the host. */
  read(): Promise<Record<string, Tensor>>;
  /** Copies the state to the host. */
  save(): Promise<OptimizerState>;
  /** Frees the parameters and all else that the optimizer keeps on the device. */
  release(): void;
}

/** AdamW with the customary constants: 0.9, 0.999, 1e-8, decay 0.01. */
const DEFAULTS = { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0.01 } as const;

/** What a step reads and makes anew, an arena of each. */
type Kind = "parameter" | "mean" | "variance" | "largest";

/** The names that the op gives the arenas of the next step. */
const NEXT = {
  parameter: "nextParameter",
  mean: "nextMean",
  variance: "nextVariance",
  largest: "nextLargest",
} as const satisfies Record<Kind, string>;

/**
 * Opens an optimizer on a device.
 *
 * @param initial  first parameters, all of the dtype of the computation
 * @param saved    a state to go on from: the same gradients then give the same steps
 */
export function openOptimizer(
  device: Device,
  initial: Readonly<Record<string, Tensor>>,
  options: OptimizerOptions = {},
  saved?: OptimizerState,
): Optimizer {
  return new ArenaOptimizer(device, initial, options, saved);
}

class ArenaOptimizer implements Optimizer {
  readonly layout: ArenaLayout;
  readonly homes: Tensors;
  readonly #device: Device;
  readonly #options: OptimizerOptions;
  readonly #kinds: readonly Kind[];
  readonly #gradients: readonly DeviceTensor[];
  /** Homes that are not 0. */
  readonly #filled = new Set<string>();
  #state: Readonly<Partial<Record<Kind, readonly DeviceTensor[]>>>;
  #parameters: Tensors;
  #settings: readonly DeviceTensor[] = [];
  /** Names of the parameters that the settings let take part. */
  #parting = "";
  #norm: DeviceTensor | undefined;
  #steps: number;

  constructor(
    device: Device,
    initial: Readonly<Record<string, Tensor>>,
    options: OptimizerOptions,
    saved: OptimizerState | undefined,
  ) {
    this.#device = device;
    this.#options = options;
    this.#steps = saved?.steps ?? 0;
    this.layout = layoutOf(device, initial);
    this.#kinds = [
      "parameter",
      "mean",
      "variance",
      ...(options.amsgrad ? ["largest"] as const : []),
    ];
    this.#state = Object.fromEntries(this.#kinds.map((kind) => {
      const tensors = kind === "parameter" ? initial : averagesOf(kind, initial, saved);
      return [kind, this.#upload(tensors)];
    }));
    this.#parameters = viewsOf(this.layout, this.arenas);
    this.#gradients = this.#upload({});
    this.homes = viewsOf(this.layout, this.#gradients);
  }

  get parameters(): Tensors {
    return this.#parameters;
  }

  get arenas(): readonly DeviceTensor[] {
    return this.#state.parameter!;
  }

  step(gradients: Readonly<Record<string, DeviceTensor | undefined>>, rate: number): void {
    const { clipNorm, ofParameter: _, amsgrad: __, ...rest } = this.#options;
    const params = {
      ...DEFAULTS,
      ...rest,
      ...(clipNorm !== undefined && { clipNorm }),
      rate,
      step: this.#steps + 1,
    };
    const scope = openScope(this.#device);
    try {
      this.#gather(scope, gradients);
      const settings = this.#settingsFor(scope, gradients);
      const norm = clipNorm === undefined ? undefined : totalNorm(scope, this.#gradients);
      const made = this.#gradients.map((gradient, arena) => {
        const given = this.#kinds.map((kind) => [kind, this.#state[kind]![arena]!] as const);
        return runOp(scope, adam, {
          ...Object.fromEntries(given) as Record<Exclude<Kind, "largest">, DeviceTensor>,
          gradient,
          squaredNorm: norm,
          settings: settings[arena],
        }, params);
      });
      // Freed at the end, so that steps take turns between the same two sets of memory.
      const outdated = [...Object.values(this.#state).flat(), ...(this.#norm ? [this.#norm] : [])];
      this.#state = Object.fromEntries(this.#kinds.map((kind) => [
        kind,
        made.map((each) => scope.keep(each[NEXT[kind]])),
      ]));
      this.#parameters = viewsOf(this.layout, this.arenas);
      this.#norm = norm && scope.keep(norm);
      this.#steps++;
      for (const tensor of outdated) this.#device.free(tensor);
    } finally {
      scope.release();
    }
  }

  squaredNorm(): DeviceTensor | undefined {
    return this.#norm;
  }

  read(): Promise<Record<string, Tensor>> {
    return readArenas(this.#device, this.layout, this.arenas);
  }

  async save(): Promise<OptimizerState> {
    const kinds = this.#kinds.filter((kind) => kind !== "parameter");
    const read = await Promise.all(kinds.map(async (kind) => {
      const tensors = await readArenas(this.#device, this.layout, this.#state[kind]!);
      return Object.entries(tensors).map(([name, tensor]) => [`${kind}/${name}`, tensor] as const);
    }));
    return { steps: this.#steps, tensors: Object.fromEntries(read.flat()) };
  }

  release(): void {
    const kept = [...Object.values(this.#state).flat(), ...this.#gradients, ...this.#settings];
    for (const tensor of kept) this.#device.free(tensor);
    if (this.#norm !== undefined) this.#device.free(this.#norm);
    this.#norm = undefined;
    this.#settings = [];
    this.#state = {};
  }

  #upload(tensors: Readonly<Record<string, Tensor | undefined>>): DeviceTensor[] {
    return packed(this.layout, tensors).map((arena) => this.#device.upload(arena));
  }

  /** Brings gradients that lie elsewhere to their homes, and 0 where there is none. */
  #gather(
    device: Device,
    gradients: Readonly<Record<string, DeviceTensor | undefined>>,
  ): void {
    for (const [name, home] of Object.entries(this.homes)) {
      const gradient = gradients[name];
      if (gradient !== undefined) {
        this.#filled.add(name);
        if (gradient.buffer.id !== home.buffer.id) copyInto(device, home, gradient);
      } else if (this.#filled.has(name)) {
        copyInto(device, home, device.upload(zeros(home.shape, home.dtype)));
        this.#filled.delete(name);
      }
    }
  }

  /** Rate, decay and part of every run of the arenas; made anew where others take part. */
  #settingsFor(
    scope: ScopedDevice,
    gradients: Readonly<Record<string, unknown>>,
  ): readonly DeviceTensor[] {
    const names = [...this.layout.places.keys()];
    const parting = JSON.stringify(names.filter((name) => gradients[name] !== undefined));
    if (parting === this.#parting) return this.#settings;
    const { dtype, sizes, places } = this.layout;
    const settings = sizes.map((size) => floatArray(dtype, ADAM_SETTING * size / ADAM_RUN));
    for (const [name, { arena, start, shape }] of places) {
      if (gradients[name] === undefined) continue;
      const { decay = DEFAULTS.decay } = this.#options;
      const own = this.#options.ofParameter?.(name) ?? {};
      const setting = [own.rateScale ?? 1, own.decay ?? decay, 1];
      const runs = placeElements(shape) / ADAM_RUN;
      for (let run = start / ADAM_RUN, left = runs; left > 0; run++, left--) {
        settings[arena]!.set(setting, ADAM_SETTING * run);
      }
    }
    const made = settings.map((data) => {
      const shape = [data.length / ADAM_SETTING, ADAM_SETTING];
      return scope.upload({ shape, dtype, data });
    });
    for (const tensor of this.#settings) this.#device.free(tensor);
    this.#settings = made.map((tensor) => scope.keep(tensor));
    this.#parting = parting;
    return made;
  }
}

/** Averages of a kind that were saved, by the names of their parameters. */
function averagesOf(
  kind: Kind,
  initial: Readonly<Record<string, Tensor>>,
  saved: OptimizerState | undefined,
): Record<string, Tensor | undefined> {
  const names = Object.keys(initial);
  return Object.fromEntries(names.map((name) => [name, saved?.tensors[`${kind}/${name}`]]));
}

/** The sum of squares over all gradients, on the device. */
function totalNorm(
  device: Device,
  gradients: readonly DeviceTensor[],
): DeviceTensor | undefined {
  let total: DeviceTensor | undefined;
  for (const x of gradients) {
    if (sizeOf(x.shape) > 0) total = runOp(device, squaredNorm, { x, total }, {}).norm;
  }
  return total;
}
