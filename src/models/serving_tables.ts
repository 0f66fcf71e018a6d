/**
 * States of many streams in tables on a device, a row a stream, and their way to the host and back:
 * there each is what `Backbone.initialState` gives for a batch of one.
 */
import { ShapeError } from "../base/errors.ts";
import { type Device, type DeviceTensor, openScope } from "../device/mod.ts";
import type { LayerState } from "../layers/mod.ts";
import { embedding, putRows, runInto, runOp } from "../ops/mod.ts";
import { expectShape, type Shape, sizeOf } from "../tensor/shape.ts";
import { type FloatArray, reshape, type Tensor, tensorOf } from "../tensor/tensor.ts";

/** One tensor of a stream's state. */
export interface TableSpec {
  /** Its flat name: `layers.0.ssm`. */
  readonly name: string;
  /** On the host, batch 1. */
  readonly shape: Shape;
  /** On the device, without the axis of streams. */
  readonly deviceShape: Shape;
  /** From the host's order to the device's; the ring of inputs begins at its first place. */
  encodeInto(device: Float32Array<ArrayBuffer>, host: FloatArray): void;
  /** Back; `oldest` is the place where the ring begins. */
  decodeInto(host: Float32Array, device: Float32Array, oldest: number): void;
}

/** A state that lies on the device as on the host. */
export function plainTable(name: string, shape: Shape): TableSpec {
  return {
    name,
    shape,
    deviceShape: shape.slice(1),
    encodeInto: (device, host) => device.set(host),
    decodeInto: (host, device) => host.set(device),
  };
}

/** The tables of one backbone. */
export class StateTables {
  readonly #device: Device;
  readonly #specs: readonly TableSpec[];
  readonly #tensors = new Map<string, DeviceTensor>();
  /** A stream's first state, one row a table. */
  readonly #initial = new Map<string, DeviceTensor>();

  /**
   * Allocates the tables, contents undefined.
   *
   * @param initial  a stream's first state, batch 1
   * @throws {LimitError} a table is larger than the device allows
   */
  constructor(
    device: Device,
    capacity: number,
    specs: readonly TableSpec[],
    initial: LayerState,
  ) {
    this.#device = device;
    this.#specs = specs;
    try {
      for (const spec of specs) {
        const shape = [capacity, ...spec.deviceShape];
        this.#tensors.set(spec.name, device.alloc(shape, "f32", "resident"));
        this.#initial.set(spec.name, device.upload(this.#encoded(spec, initial)));
      }
    } catch (error) {
      this.free();
      throw error;
    }
  }

  /** A table.                                                               [row, …] */
  tensor(name: string): DeviceTensor {
    return this.#tensors.get(name)!;
  }

  /** The rows of a table as [row, feature]. */
  #flat(name: string): DeviceTensor {
    const tensor = this.tensor(name);
    const [rows = 0, ...rest] = tensor.shape;
    return reshape(tensor, [rows, sizeOf(rest)]);
  }

  /** Gives streams their first state. */
  reset(slots: Float32Array): void {
    for (const { name } of this.#specs) this.#put(name, slots, this.#initial.get(name)!);
  }

  /**
   * Overwrites a stream's state.
   *
   * @throws {ShapeError} a tensor is absent or has another shape; it is named
   */
  write(slot: number, state: LayerState): void {
    const rows = this.#specs.map((spec) => this.#encoded(spec, state));
    this.#specs.forEach(({ name }, i) => this.#put(name, Float32Array.of(slot), rows[i]!));
  }

  #put(name: string, slots: Float32Array, values: Tensor | DeviceTensor): void {
    const table = this.#flat(name);
    const given = { table, slots: tensorOf([slots.length], slots), values };
    runInto(this.#device, putRows, given, {}, { next: table });
  }

  /** A stream's tensor as a row of its table. */
  #encoded(spec: TableSpec, state: LayerState): Tensor {
    const host = state[spec.name];
    if (host === undefined) throw new ShapeError(spec.name, sizeOf(spec.shape), 0);
    expectShape(spec.name, [], spec.shape, host.shape);
    const row = new Float32Array(sizeOf(spec.deviceShape));
    spec.encodeInto(row, host.data);
    return tensorOf([1, row.length], row);
  }

  /** Copies a stream's state to the host, f32, batch 1. */
  async read(slot: number, oldest: number): Promise<LayerState> {
    const scope = openScope(this.#device);
    try {
      const ids = tensorOf([1], Float32Array.of(slot));
      // All are issued before the first is awaited: the state is that of one moment.
      const reads = this.#specs.map(({ name }) =>
        scope.read(runOp(scope, embedding, { table: this.#flat(name), ids }, {}).out)
      );
      const rows = await Promise.all(reads);
      return Object.fromEntries(this.#specs.map((spec, i): [string, Tensor] => {
        const host = new Float32Array(sizeOf(spec.shape));
        spec.decodeInto(host, rows[i]!.data as Float32Array, oldest);
        return [spec.name, tensorOf(spec.shape, host)];
      }));
    } finally {
      scope.release();
    }
  }

  /** Gives the tables' memory back. */
  free(): void {
    for (const tensor of [...this.#tensors.values(), ...this.#initial.values()]) {
      this.#device.free(tensor);
    }
  }
}
