/**
 * One serving made of several: where a device cannot hold a state of all streams in one tensor, or
 * run all of them at once, each part has the same number of slots, and a batch is dealt out to the
 * parts of its streams.
 */
import type { LayerState } from "../layers/mod.ts";
import type { Launch } from "../device/device.ts";
import type { ReadOutputs, ServingPlan, ServingSamples } from "./serving_plan.ts";

/** A part's share of a batch. */
interface Share {
  readonly part: number;
  /** Places of its samples in the batch. */
  readonly places: Int32Array;
}

/** Whether places, which ascend, follow each other without a gap. */
function isOneRun(places: Int32Array): boolean {
  return places.at(-1)! - places[0]! === places.length - 1;
}

/** Numbers of some rows of [row, width]. */
function rowsAt(
  values: ArrayLike<number>,
  places: Int32Array,
  width: number,
): ArrayLike<number> {
  if (isOneRun(places) && (values instanceof Float32Array || values instanceof Float64Array)) {
    return values.subarray(places[0]! * width, (places.at(-1)! + 1) * width);
  }
  const rows = new Float32Array(places.length * width);
  for (let i = 0, at = 0; i < places.length; i++) {
    const from = places[i]! * width;
    for (let k = 0; k < width; k++) rows[at++] = values[from + k]!;
  }
  return rows;
}

/** Puts rows of [row, width] where they belong. */
function putRowsAt(all: Float32Array, places: Int32Array, rows: Float32Array): void {
  const width = rows.length / places.length;
  if (isOneRun(places)) return all.set(rows, places[0]! * width);
  for (let i = 0; i < places.length; i++) {
    const from = i * width;
    const to = places[i]! * width;
    for (let k = 0; k < width; k++) all[to + k] = rows[from + k]!;
  }
}

/** Plans that together serve as one. */
class PartedServing implements ServingPlan {
  readonly tables: ServingPlan["tables"];
  readonly ring: number;
  readonly #parts: readonly ServingPlan[];
  /** Slots of each part; the last one may have fewer streams. */
  readonly #rows: number;

  constructor(parts: readonly ServingPlan[], rows: number) {
    this.#parts = parts;
    this.#rows = rows;
    this.ring = parts[0]!.ring;
    const tablesOf = (slot: number) => this.#parts[Math.floor(slot / rows)]!.tables;
    this.tables = {
      reset: (slots) => {
        for (const { part, places } of this.#shares(slots)) {
          this.#parts[part]!.tables.reset(this.#ownSlots(slots, part, places));
        }
      },
      write: (slot: number, state: LayerState) => tablesOf(slot).write(slot % rows, state),
      read: (slot, oldest) => tablesOf(slot).read(slot % rows, oldest),
    };
  }

  step(samples: ServingSamples, oldest: Uint8Array): ReadOutputs {
    const batch = samples.slots.length;
    const shares = this.#shares(samples.slots);
    const readers = shares.map(({ part, places }) => {
      const own = oldest.subarray(part * this.#rows, (part + 1) * this.#rows);
      return this.#parts[part]!.step(this.#ownSamples(samples, part, places), own);
    });
    if (readers.length === 1) return readers[0]!;
    return async () => {
      let all: Float32Array | undefined;
      // Each share goes to its place while the next one is still on its way.
      await Promise.all(readers.map(async (read, i) => {
        const rows = await read();
        const { places } = shares[i]!;
        all ??= new Float32Array(batch * rows.length / places.length);
        putRowsAt(all, places, rows);
      }));
      return all!;
    };
  }

  /** The launches of a batch whose streams were opened first, which fill a part after another. */
  launches(batch: number): readonly Launch[] | undefined {
    const launches: Launch[] = [];
    for (const [i, part] of this.#parts.entries()) {
      const own = Math.min(this.#rows, batch - i * this.#rows);
      if (own <= 0) break;
      const issued = part.launches?.(own);
      if (issued === undefined) return undefined;
      launches.push(...issued);
    }
    return launches;
  }

  free(): void {
    for (const part of this.#parts) part.free();
  }

  /** Deals a batch out; the shares are in the order of the parts, their places in the batch's. */
  #shares(slots: ArrayLike<number>): Share[] {
    const counts = new Int32Array(this.#parts.length);
    for (let i = 0; i < slots.length; i++) counts[Math.floor(slots[i]! / this.#rows)]!++;
    const all = Array.from(counts, (count) => new Int32Array(count));
    counts.fill(0);
    for (let i = 0; i < slots.length; i++) {
      const part = Math.floor(slots[i]! / this.#rows);
      all[part]![counts[part]!++] = i;
    }
    return all.map((places, part) => ({ part, places })).filter(({ places }) => places.length > 0);
  }

  #ownSlots(slots: ArrayLike<number>, part: number, places: Int32Array): Float32Array {
    return Float32Array.from(places, (place) => slots[place]! - part * this.#rows);
  }

  #ownSamples(samples: ServingSamples, part: number, places: Int32Array): ServingSamples {
    const { slots, inputs, elapsed, clocks } = samples;
    return {
      slots: this.#ownSlots(slots, part, places),
      inputs: rowsAt(inputs, places, inputs.length / slots.length),
      elapsed: elapsed && rowsAt(elapsed, places, 1),
      clocks: clocks?.map((times) => rowsAt(times, places, 1)),
    };
  }
}

/**
 * Opens a plan for so many streams, or as few parts of equal size as hold them.
 *
 * @param rowsMax  streams of a part, at most
 * @param open  opens a plan for so many streams
 * @throws {LimitError} a part does not fit on the device; no memory is kept
 */
export function openParts(
  capacity: number,
  rowsMax: number,
  open: (rows: number) => ServingPlan,
): ServingPlan {
  if (capacity <= rowsMax) return open(capacity);
  const rows = Math.ceil(capacity / Math.ceil(capacity / rowsMax));
  const parts: ServingPlan[] = [];
  try {
    for (let first = 0; first < capacity; first += rows) {
      parts.push(open(Math.min(rows, capacity - first)));
    }
  } catch (error) {
    for (const part of parts) part.free();
    throw error;
  }
  return new PartedServing(parts, rows);
}
