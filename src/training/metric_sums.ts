/** Losses and metrics that add up on the device until they are read. */
import { partOf } from "../base/prefixes.ts";
import type { Device, DeviceTensor } from "../device/mod.ts";
import { add, runOp } from "../ops/mod.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";
import { freeAll, readAll } from "./tensors.ts";

/** A metric as a weighted sum and the sum of the weights, both on the device, [1]. */
export interface MetricSum {
  readonly sum: DeviceTensor;
  readonly total: DeviceTensor;
}

/** What an objective says of one minibatch. */
export interface ObjectiveResult {
  /** What is minimised, a mean over the minibatch. [1] */
  readonly loss: DeviceTensor;
  readonly metrics?: Readonly<Record<string, MetricSum>>;
  /** Samples that the minibatch has, for the speed. */
  readonly samples: number;
}

/** The tensors of a result, each once. */
export function tensorsOf({ loss, metrics = {} }: ObjectiveResult): DeviceTensor[] {
  const sums = Object.values(metrics).flatMap(({ sum, total }) => [sum, total]);
  return [...new Set([loss, ...sums])];
}

/** Sums as a checkpoint holds them. */
export interface SavedSums {
  /** `sum/NAME`, among others. */
  readonly tensors: Readonly<Record<string, Tensor>>;
  /** Minibatches and samples that went into them. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Sums of metrics on the device. */
export class MetricSums {
  readonly #device: Device;
  readonly #sums = new Map<string, DeviceTensor>();
  /** What the host counts: minibatches and samples. */
  readonly counts: Record<string, number> = {};

  constructor(device: Device, state?: SavedSums) {
    this.#device = device;
    for (const [name, tensor] of Object.entries(partOf(state?.tensors ?? {}, "sum/"))) {
      this.#sums.set(name, device.upload(tensor));
    }
    Object.assign(this.counts, state?.counts);
  }

  /** Adds one minibatch's result; its tensors stay the caller's. */
  add({ loss, metrics = {}, samples }: ObjectiveResult): void {
    this.counts["minibatches"] = (this.counts["minibatches"] ?? 0) + 1;
    this.counts["samples"] = (this.counts["samples"] ?? 0) + samples;
    this.#addOne("loss", loss);
    for (const [name, { sum, total }] of Object.entries(metrics)) {
      this.#addOne(`value/${name}`, sum);
      this.#addOne(`total/${name}`, total);
    }
  }

  #addOne(name: string, b: DeviceTensor): void {
    const old = this.#sums.get(name) ?? this.#device.upload(zeros([1], b.dtype));
    // Kept before the op, which may find no memory, so that it is given back with the others.
    this.#sums.set(name, old);
    this.#sums.set(name, runOp(this.#device, add, { a: old, b }, {}).out);
    this.#device.free(old);
  }

  /** Waits for all work so far. */
  async settle(): Promise<void> {
    const loss = this.#sums.get("loss");
    if (loss !== undefined) await this.#device.read(loss);
  }

  async tensors(): Promise<Record<string, Tensor>> {
    return await readAll(this.#device, Object.fromEntries(this.#sums));
  }

  /** The means; begins anew at once, so that more may be added before they are there. */
  async take(): Promise<{ loss: number; samples: number; values: Record<string, number> }> {
    const taken = Object.fromEntries(this.#sums);
    const { samples = 0, minibatches = 0 } = this.counts;
    const reading = readAll(this.#device, taken);
    this.#sums.clear();
    this.release();
    const sums = await reading.finally(() => freeAll(this.#device, taken));
    const numbers = Object.fromEntries(
      Object.entries(sums).map(([name, { data }]) => [name, data[0]!]),
    );
    const totals = partOf(numbers, "total/");
    const values: Record<string, number> = {};
    for (const [name, sum] of Object.entries(partOf(numbers, "value/"))) {
      values[name] = sum / totals[name]!;
    }
    return { loss: (numbers["loss"] ?? NaN) / minibatches, samples, values };
  }

  release(): void {
    for (const tensor of this.#sums.values()) this.#device.free(tensor);
    this.#sums.clear();
    for (const name of Object.keys(this.counts)) delete this.counts[name];
  }
}
