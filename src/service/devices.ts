/** What a service may compute its jobs on. */
export const DEVICE_MODES = ["auto", "cpu", "webgpu"] as const;

/**
 * `auto`: the GPU where it was measured to be faster. `cpu`: no GPU is opened. `webgpu`: the GPU
 * whatever was measured. A software adapter is never used.
 */
export type DeviceMode = typeof DEVICE_MODES[number];

/** The devices as they were opened and measured; plain data. */
export interface DevicesReport {
  readonly cpu: {
    readonly threads: number;
    /** Why the SIMD kernels cannot run; null where they do. */
    readonly simdUnavailable: string | null;
  };
  readonly gpu: {
    readonly name: string;
    /** Runs on the CPU: for tests. */
    readonly software: boolean;
    /** Ops whose results were wrong on it. */
    readonly failedOps: string[];
    /** Multiply-adds of a matrix product from which on it is faster; null for never. */
    readonly fromWork: number | null;
  } | null;
  /** Why no job runs on the GPU; null where one may. */
  readonly gpuUnused: string | null;
}

/** The devices of a service as they are answered. */
export interface DevicesShape extends Partial<DevicesReport> {
  readonly mode: DeviceMode;
  readonly state: "opening" | "ready" | "failed";
  /** Why they are not there. */
  readonly error: string | null;
}

/** What is known of the devices that another thread opens: once, when they are first asked for. */
export class DeviceWatch {
  readonly #mode: DeviceMode;
  readonly #open: () => Promise<DevicesReport>;
  #shape: DevicesShape;
  #opening: Promise<void> | undefined;

  /** @param open  opens the devices and tells what there is */
  constructor(mode: DeviceMode, open: () => Promise<DevicesReport>) {
    this.#mode = mode;
    this.#open = open;
    this.#shape = { mode, state: "opening", error: null };
  }

  /** What is known now. */
  get shape(): DevicesShape {
    this.open();
    return this.#shape;
  }

  /** Opens them in the background; resolves when it is known what there is. */
  open(): Promise<void> {
    this.#opening ??= this.#watch();
    return this.#opening;
  }

  async #watch(): Promise<void> {
    const mode = this.#mode;
    try {
      this.#shape = { mode, state: "ready", error: null, ...await this.#open() };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#shape = { mode, state: "failed", error: reason };
    }
  }
}
