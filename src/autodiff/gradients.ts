/**
 * Sums of gradients on their way back. A gradient is added to where it lies, and one that passes
 * through an op as it is (both sides of a residual sum) is held by several nodes and not copied.
 */
import type { Device, DeviceTensor } from "../device/device.ts";
import { addInto, copyInto } from "../ops/_helpers/in_place.ts";
import { add } from "../ops/add.ts";
import { runBackward, runOp } from "../ops/run.ts";
import { slice } from "../ops/slice.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Dtype, reshape, zeros } from "../tensor/tensor.ts";

/** A gradient and how many hold it. Only its single holder may write it; the last one frees it. */
export interface Held {
  readonly tensor: DeviceTensor;
  holders: number;
  /** It is the caller's, who counts as a holder: nobody else writes or frees it. */
  readonly isForeign: boolean;
}

/** What a gradient is summed for. */
export interface Holder {
  gradient: Held | undefined;
  /** Memory of the caller's where the gradient is wanted. */
  readonly home: DeviceTensor | undefined;
  /** Its gradient is wanted by the caller, beyond the way back. */
  readonly isWatched: boolean;
}

/** A gradient with a single holder. */
function held(tensor: DeviceTensor): Held {
  return { tensor, holders: 1, isForeign: false };
}

/** Whether a tensor is a holder's home. */
function isHome({ home }: Holder, tensor: DeviceTensor): boolean {
  return home !== undefined && home.buffer.id === tensor.buffer.id;
}

/** The sums of one tape. */
export class GradientSums {
  readonly #device: Device;
  /** Zeros for outputs that no loss depends on, by size; kept for the whole way back. */
  readonly #zeros = new Map<string, DeviceTensor>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** Adds a gradient that was made for this holder; its memory is the sum's from here on. */
  add(holder: Holder, fresh: DeviceTensor): void {
    const sum = holder.gradient;
    if (sum === undefined) {
      holder.gradient = held(fresh);
      return;
    }
    try {
      if (sum.holders === 1) {
        addInto(this.#device, sum.tensor, fresh);
      } else {
        addInto(this.#device, fresh, sum.tensor);
        sum.holders--;
        holder.gradient = held(fresh);
      }
    } finally {
      if (holder.gradient === sum) this.#device.free(fresh);
    }
  }

  /** Adds what another tape's sum came to, whose memory is taken over. */
  addHeld(holder: Holder, given: Held): void {
    if (given.holders === 1) return this.add(holder, given.tensor);
    this.hand(holder, given);
    given.holders--;
  }

  /** Adds a gradient that others hold, too. */
  hand(holder: Holder, given: Held): void {
    const sum = holder.gradient;
    if (sum === undefined && given.isForeign && holder.isWatched) {
      // What outlives the way back has to be the tape's own.
      const { shape, dtype } = given.tensor;
      const own = holder.home ?? this.#device.alloc(shape, dtype);
      holder.gradient = held(own);
      copyInto(this.#device, own, given.tensor);
    } else if (sum === undefined) {
      given.holders++;
      holder.gradient = given;
    } else if (sum.holders === 1) {
      addInto(this.#device, sum.tensor, given.tensor);
    } else {
      const flat = [sizeOf(sum.tensor.shape)];
      const inputs = { a: reshape(sum.tensor, flat), b: reshape(given.tensor, flat) };
      const { out } = runOp(this.#device, add, inputs, {});
      sum.holders--;
      holder.gradient = held(reshape(out, sum.tensor.shape));
    }
  }

  /** Adds a gradient that stays its caller's. */
  handForeign(holder: Holder, tensor: DeviceTensor): void {
    this.hand(holder, { tensor, holders: 1, isForeign: true });
  }

  /** The sum goes over to the caller. */
  take(holder: Holder): Held | undefined {
    const { gradient } = holder;
    holder.gradient = undefined;
    return gradient;
  }

  /** The holder needs its gradient no more. */
  drop(holder: Holder): void {
    const sum = this.take(holder);
    if (sum === undefined || --sum.holders > 0 || isHome(holder, sum.tensor)) return;
    this.#device.free(sum.tensor);
  }

  /** A gradient of 0, to be read only. */
  zero(shape: Shape, dtype: Dtype): DeviceTensor {
    const size = sizeOf(shape);
    const key = `${dtype}/${size}`;
    let tensor = this.#zeros.get(key);
    if (tensor === undefined) {
      tensor = this.#makeZeros(size, dtype);
      this.#zeros.set(key, tensor);
    }
    return reshape(tensor, shape);
  }

  /** Made on the device: a cache of keys and values has megabytes, too many to send each time. */
  #makeZeros(size: number, dtype: Dtype): DeviceTensor {
    const gradOut = this.#device.upload(zeros([Math.min(size, 1)], dtype));
    if (size <= 1) return gradOut;
    // The gradient of a range is 0 beside it.
    const params = { start: 0, count: 1 };
    try {
      return runBackward(this.#device, slice, { gradOut }, { x: [size] }, params).gradX!;
    } finally {
      this.#device.free(gradOut);
    }
  }

  /** Frees the zeros. */
  freeZeros(): void {
    for (const tensor of this.#zeros.values()) this.#device.free(tensor);
    this.#zeros.clear();
  }
}
