/** Tensors by name: to a device, back, and away. */
import type { Device, DeviceTensor } from "../device/mod.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Tensors on a device by name. */
export type Tensors = Readonly<Record<string, DeviceTensor>>;

/** Copies tensors to a device. */
export function uploadAll(
  device: Device,
  tensors: Readonly<Record<string, Tensor>>,
): Record<string, DeviceTensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [name, device.upload(tensor)]),
  );
}

/** Copies tensors to the host; all are asked for before one is awaited. */
export async function readAll(device: Device, tensors: Tensors): Promise<Record<string, Tensor>> {
  const read = await Promise.all(
    Object.entries(tensors).map(async ([name, tensor]) => {
      const { shape, dtype, data } = await device.read(tensor);
      return [name, { shape, dtype, data: data.slice() }] as const;
    }),
  );
  return Object.fromEntries(read);
}

/** Frees tensors. */
export function freeAll(device: Device, tensors: Tensors): void {
  for (const tensor of Object.values(tensors)) device.free(tensor);
}
