/**
 * Named tensors behind one another in one, an arena, so that a pass over all parameters of a model
 * is one launch. Each begins at a multiple of {@linkcode VIEW_ELEMENTS}, which is a whole number of
 * Adam's runs, too; what lies between two is 0.
 */
import { type Device, type DeviceTensor, VIEW_ELEMENTS, viewOf } from "../device/mod.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Dtype, DTYPE_BYTES, floatArray, type Tensor } from "../tensor/tensor.ts";

/** Where a tensor lies. */
export interface Place {
  readonly arena: number;
  /** First element. */
  readonly start: number;
  readonly shape: Shape;
}

/** How tensors lie in arenas: in one, or in more where a device binds no more at once. */
export interface ArenaLayout {
  readonly dtype: Dtype;
  /** Elements of each arena. */
  readonly sizes: readonly number[];
  readonly places: ReadonlyMap<string, Place>;
}

/** Elements that a tensor takes in an arena. */
export function placeElements(shape: Shape): number {
  return Math.ceil(sizeOf(shape) / VIEW_ELEMENTS) * VIEW_ELEMENTS;
}

/**
 * The layout of tensors on a device, in their order.
 *
 * @param elementsMax  largest arena; default what a launch can bind. A larger tensor has its own
 */
export function layoutOf(
  device: Device,
  tensors: Readonly<Record<string, Tensor>>,
  elementsMax = device.kind === "webgpu"
    ? device.limits.bindingBytesMax / DTYPE_BYTES.f32
    : Infinity,
): ArenaLayout {
  const places = new Map<string, Place>();
  const sizes: number[] = [0];
  for (const [name, { shape }] of Object.entries(tensors)) {
    const elements = placeElements(shape);
    const last = sizes.length - 1;
    if (sizes[last]! > 0 && sizes[last]! + elements > elementsMax) sizes.push(0);
    const arena = sizes.length - 1;
    places.set(name, { arena, start: sizes[arena]!, shape });
    sizes[arena]! += elements;
  }
  const dtype = device.kind === "webgpu" ? "f32" : Object.values(tensors)[0]?.dtype ?? "f32";
  return { dtype, sizes, places };
}

/** The arenas of some of the tensors on the host; those that are left out are 0. */
export function packed(
  { dtype, sizes, places }: ArenaLayout,
  tensors: Readonly<Record<string, Tensor | undefined>>,
): Tensor[] {
  const arenas = sizes.map((size) => floatArray(dtype, size));
  for (const [name, { arena, start }] of places) {
    const tensor = tensors[name];
    if (tensor !== undefined) arenas[arena]!.set(tensor.data, start);
  }
  return arenas.map((data) => ({ shape: [data.length], dtype, data }));
}

/** The tensors of arenas on a device; they die with the arenas. */
export function viewsOf(
  { places }: ArenaLayout,
  arenas: readonly DeviceTensor[],
): Record<string, DeviceTensor> {
  return Object.fromEntries(
    [...places].map(([name, { arena, start, shape }]) => [
      name,
      viewOf(arenas[arena]!, start, shape),
    ]),
  );
}

/** Copies the tensors of arenas to the host, one read for each arena. */
export async function readArenas(
  device: Device,
  { dtype, places }: ArenaLayout,
  arenas: readonly DeviceTensor[],
): Promise<Record<string, Tensor>> {
  const read = await Promise.all(arenas.map((arena) => device.read(arena)));
  return Object.fromEntries(
    [...places].map(([name, { arena, start, shape }]) => {
      const data = read[arena]!.data.slice(start, start + sizeOf(shape));
      return [name, { shape, dtype, data }];
    }),
  );
}
