import type { Device, DeviceTensor } from "./device.ts";

/** A device that remembers what was allocated through it. */
export type ScopedDevice = Device & {
  /** Leaves a tensor alive when the scope is released. */
  keep<T extends DeviceTensor>(tensor: T): T;
  /** Frees everything allocated through this scope and not kept. The device stays open. */
  release(): void;
};

/**
 * Opens a scope on a device: pass it wherever a device goes, then `release` frees all that was
 * allocated through it except what was kept. Several scopes on one device do not disturb each
 * other, so asynchronous work may overlap.
 */
export function openScope(device: Device): ScopedDevice {
  const owned = new Map<number, DeviceTensor>();
  const own = (tensor: DeviceTensor): DeviceTensor => {
    owned.set(tensor.buffer.id, tensor);
    return tensor;
  };
  const scope = {
    alloc: (
      shape: DeviceTensor["shape"],
      dtype: DeviceTensor["dtype"],
      use?: "resident",
    ) => own(device.alloc(shape, dtype, use)),
    upload: (tensor: Parameters<Device["upload"]>[0]) => own(device.upload(tensor)),
    write: (tensor: DeviceTensor, data: Float32Array<ArrayBuffer>) => device.write(tensor, data),
    read: (tensor: DeviceTensor) => device.read(tensor),
    free(tensor: DeviceTensor) {
      owned.delete(tensor.buffer.id);
      device.free(tensor);
    },
    close: () => device.close(),
    keep<T extends DeviceTensor>(tensor: T): T {
      owned.delete(tensor.buffer.id);
      return tensor;
    },
    release() {
      const failures: unknown[] = [];
      for (const tensor of owned.values()) {
        try {
          device.free(tensor);
        } catch (error) {
          // A tape that packs what is freed may find no memory; the others go back all the same.
          failures.push(error);
        }
      }
      owned.clear();
      if (failures.length > 0) throw failures[0];
    },
  };
  // What else a device does (a tape's recording) it also does inside a scope.
  if (device.kind === "cpu") {
    const { dataOf, arrayOf, simd } = device;
    return { ...device, ...scope, kind: "cpu", dataOf, arrayOf, simd };
  }
  return {
    ...device,
    ...scope,
    kind: "webgpu",
    info: device.info,
    limits: device.limits,
    dispatch: (launches) => device.dispatch(launches),
    table: (key, make) => device.table(key, make),
  };
}
