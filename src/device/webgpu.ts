/**
 * A GPU device on the caller's thread: it keeps the books (memory, requests, generations) and sends
 * commands in batches to the Worker that owns the GPU.
 */
import { DeviceLostError, LimitError } from "../base/errors.ts";
import { expectAxis, type Shape, sizeOf } from "../tensor/shape.ts";
import { type Dtype, DTYPE_BYTES, type Tensor } from "../tensor/tensor.ts";
import type { AdapterSummary, DeviceTensor, GpuDevice, GpuLimits, Launch } from "./device.ts";
import { CommandBatch } from "./command_batch.ts";
import { inTurn, prepareLinux } from "./driver.ts";
import { PIPELINES_MAX } from "./pipelines.ts";
import { ProgramNumbers } from "./programs.ts";
import { BufferPool, POOL_BYTES_MAX } from "./pool.ts";
import { Landings } from "./landings.ts";
import type { Answer, Command, LaunchRange, Request } from "./protocol.ts";
import { wireBinding } from "./protocol.ts";
import { FAST_READBACK_RUNTIMES } from "./readback.ts";
import { threadEnded } from "./threads.ts";

/** Constant tables kept on the device; the oldest goes first. */
export const TABLES_MAX = 64;
/** Times that a lost device is opened again before it is given up. */
export const REOPENS_MAX = 1;
/** Repeats of one timing: two queries each, and one run before them, of 4,096 a set holds. */
export const TIME_REPEATS_MAX = 2047;
/** Longest wait for the adapter at opening. */
export const OPEN_TIMEOUT_MS = 30_000;
/** Longest wait at closing for the work under way; the Worker is stopped by force after it. */
export const CLOSE_TIMEOUT_MS = 30_000;
/** The same for a Worker that never answered. */
const SILENT_CLOSE_TIMEOUT_MS = 500;

/** Options of {@linkcode openWebGpu}. */
export interface WebGpuOptions {
  /** Budget of device memory; default {@linkcode POOL_BYTES_MAX}. */
  readonly budgetBytes?: number;
  /** Allows reads that skip the runtime's 10 ms sleep; default: on tested runtimes. */
  readonly fastReadback?: boolean;
  /** Fills fresh memory with NaN, so that an element left unwritten shows in tests. */
  readonly poison?: boolean;
  /** Told about loss, reopening and faults, in words. */
  readonly log?: (message: string) => void;
}

/** Either the device, or why there is none. */
export type OpenResult =
  | { readonly device: WebGpuDevice }
  | { readonly unavailable: string };

interface Waiting {
  resolve(value: ArrayBuffer | number[] | number): void;
  reject(error: Error): void;
}

/**
 * Opens the GPU in a Worker of its own. One device at a time is opened or closed; others wait.
 *
 * @returns the device, or in `unavailable` the reason and the Debian package to install
 */
export function openWebGpu(options: WebGpuOptions = {}): Promise<OpenResult> {
  return inTurn(() => openNow(options));
}

async function openNow(options: WebGpuOptions): Promise<OpenResult> {
  prepareLinux();
  const worker = new Worker(new URL("./webgpu_worker.ts", import.meta.url), { type: "module" });
  const device = new WebGpuDevice(worker, options);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`No answer of the GPU within ${OPEN_TIMEOUT_MS} ms`)),
    OPEN_TIMEOUT_MS,
  );
  try {
    await Promise.race([device.opened(), late.promise]);
    return { device };
  } catch (error) {
    await device.endWorker();
    return { unavailable: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** The GPU behind its Worker. Made by {@linkcode openWebGpu}. */
export class WebGpuDevice implements GpuDevice {
  readonly kind = "webgpu";
  readonly #worker: Worker;
  readonly #options: WebGpuOptions;
  readonly #pool: BufferPool;
  readonly #tables = new Map<string, DeviceTensor>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #programs = new ProgramNumbers((number, program) =>
    this.#batch.add({ kind: "program", number, program })
  );
  readonly #batch = new CommandBatch((commands, numbers, transfer) =>
    this.#send({ kind: "batch", generation: this.#generation, commands, numbers }, transfer)
  );
  readonly #landings = new Landings();
  #nextRequest = 1;
  #generation = 0;
  #reopens = 0;
  #gone: string | undefined;
  #info: AdapterSummary | undefined;
  #limits: GpuLimits | undefined;
  #opening = Promise.withResolvers<void>();
  /** Resolved when the Worker takes no more requests. */
  readonly #stopped = Promise.withResolvers<void>();
  #thread: number | undefined;
  /** Whether the Worker has said if there is a GPU. */
  #answered = false;
  #closing: Promise<void> | undefined;

  constructor(worker: Worker, options: WebGpuOptions) {
    this.#worker = worker;
    this.#options = options;
    this.#pool = new BufferPool({
      create: (id, bytes) => this.#batch.add({ kind: "create", id, bytes }),
      destroy: (id) => this.#batch.add({ kind: "destroy", id }),
    }, options.budgetBytes ?? POOL_BYTES_MAX);
    worker.onmessage = (event: MessageEvent<Answer>) => this.#answer(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#stopped.resolve();
      this.#giveUp(`The GPU's Worker failed: ${event.message}`);
    };
    this.#open();
  }

  /** Who the adapter is. */
  get info(): AdapterSummary {
    return this.#info!;
  }

  /** What launches may use. */
  get limits(): GpuLimits {
    return this.#limits!;
  }

  /** Why the device is gone for good, or undefined while it works. */
  get gone(): string | undefined {
    return this.#gone;
  }

  /** How often the device was opened again after a loss. */
  get reopens(): number {
    return this.#reopens;
  }

  /** Bytes in use, bytes that exist on the device, and the most in use since the last reset. */
  get memory(): { used: number; total: number; peak: number } {
    return this.#pool.bytes;
  }

  /** Begins to watch for the most memory in use anew. */
  resetPeakMemory(): void {
    this.#pool.resetPeak();
  }

  /**
   * Resolves when the device is ready: at opening, and again after a loss.
   *
   * @throws {DeviceLostError} it did not open, or is gone for good
   */
  async opened(): Promise<void> {
    await this.#opening.promise;
    this.#refuseWhenGone();
  }

  alloc(shape: Shape, _dtype: Dtype): DeviceTensor {
    const tensor = this.#take(shape);
    if (this.#options.poison) {
      this.#fill(tensor, new Float32Array(sizeOf(shape)).fill(NaN));
    }
    return tensor;
  }

  upload(source: Tensor): DeviceTensor {
    const tensor = this.#take(source.shape);
    // Always a copy, so the caller may go on writing; f64 is rounded here.
    this.#fill(tensor, new Float32Array(source.data));
    return tensor;
  }

  write(tensor: DeviceTensor, data: Float32Array<ArrayBuffer>): void {
    expectAxis("elements", sizeOf(tensor.shape), data.length);
    this.#refuseDead(tensor);
    this.#fill(tensor, data);
  }

  async read(tensor: DeviceTensor): Promise<Tensor> {
    this.#refuseDead(tensor);
    const from = wireBinding(tensor.buffer, sizeOf(tensor.shape) * DTYPE_BYTES.f32);
    const into = this.#landings.take(from.bytes);
    const read = await this.#request(
      (request) => ({ kind: "read", request, from, into }),
      into,
    );
    const whole = new Float32Array(read as ArrayBuffer, 0, sizeOf(tensor.shape));
    const data = into === undefined ? whole : whole.slice();
    if (into !== undefined) this.#landings.give(whole.buffer);
    return { shape: tensor.shape, dtype: "f32", data };
  }

  free(tensor: DeviceTensor): void {
    if (tensor.buffer.generation === this.#generation) this.#pool.give(tensor.buffer.id);
  }

  dispatch(launches: readonly Launch[]): void {
    this.#batch.add({ kind: "launch", range: this.#encode(launches) });
  }

  table(key: string, make: () => Float32Array): DeviceTensor {
    const kept = this.#tables.get(key);
    if (kept) return kept;
    const data = make();
    const tensor = this.upload({ shape: [data.length], dtype: "f32", data });
    this.#tables.set(key, tensor);
    if (this.#tables.size > TABLES_MAX) {
      const [oldest, dropped] = this.#tables.entries().next().value!;
      this.#tables.delete(oldest);
      this.free(dropped);
    }
    return tensor;
  }

  /**
   * Times launches on the GPU's clock.
   *
   * @param repeats at most {@linkcode TIME_REPEATS_MAX}
   * @returns milliseconds of each repeat; the first, untimed run warms up
   * @throws {TypeError} the adapter has no timestamp queries
   * @throws {LimitError} too many repeats
   */
  async time(launches: readonly Launch[], repeats: number): Promise<number[]> {
    if (!this.info.timestamps) throw new TypeError("This adapter has no timestamp queries");
    if (repeats > TIME_REPEATS_MAX) {
      throw new LimitError("TIME_REPEATS_MAX", TIME_REPEATS_MAX, repeats, "repeats");
    }
    const range = this.#encode(launches);
    const times = await this.#request((request) => ({ kind: "time", request, range, repeats }));
    return times as number[];
  }

  /**
   * Compiles what launches need before they are issued; `recordLaunches` gives those of work that
   * has no data yet. A pipeline takes up to a second, and `createComputePipelineAsync` of this
   * runtime compiles before it returns; so it happens in the GPU's Worker, one pipeline a message,
   * and what is issued meanwhile takes its turn between two.
   *
   * @param onProgress  told how many of how many programs are ready
   * @returns           how many were compiled; the others had been before
   * @throws {LimitError} more programs than pipelines are kept, so that the first would go again
   * @throws {Error} a shader does not compile
   */
  async compileAhead(
    launches: readonly Launch[],
    onProgress: (done: number, total: number) => void = () => {},
  ): Promise<number> {
    this.#refuseWhenGone();
    this.#makeRoomForPrograms(launches.length);
    const byProgram = new Map(launches.map((launch) => [this.#programs.numberOf(launch), launch]));
    const total = byProgram.size;
    if (total > PIPELINES_MAX) throw new LimitError("PIPELINES_MAX", PIPELINES_MAX, total);
    const before = await this.pipelinesCompiled();
    let count = before;
    let done = 0;
    for (const launch of byProgram.values()) {
      onProgress(done++, total);
      // Others may have sent so many programs meanwhile that all were forgotten.
      this.#makeRoomForPrograms(1);
      const program = this.#programs.numberOf(launch);
      count = await this.#request((request) => ({ kind: "compile", request, program })) as number;
    }
    onProgress(total, total);
    return count - before;
  }

  /** How many pipelines were compiled since the device was opened, or opened again after a loss. */
  async pipelinesCompiled(): Promise<number> {
    return await this.#request((request) => ({ kind: "compile", request })) as number;
  }

  /**
   * Closes the device after the work issued so far; resolves when its Worker's thread is over.
   *
   * A process that ended earlier would run the driver's exit handlers while that thread unloads the
   * driver, and crash.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#batch.flush();
    await inTurn(() => this.endWorker());
    this.#giveUp("The device was closed");
  }

  /** Ends the Worker and waits for its thread; for whoever has the turn. */
  async endWorker(): Promise<void> {
    this.#send({ kind: "close" });
    const late = Promise.withResolvers<void>();
    const waitMs = this.#answered ? CLOSE_TIMEOUT_MS : SILENT_CLOSE_TIMEOUT_MS;
    const timer = setTimeout(() => {
      this.#worker.terminate();
      late.resolve();
    }, waitMs);
    await Promise.race([this.#stopped.promise, late.promise]);
    clearTimeout(timer);
    if (!await threadEnded(this.#thread)) this.#options.log?.("The GPU's Worker does not end");
    this.#worker.terminate();
  }

  /** Makes the GPU go away as a driver reset would: for tests of what follows. */
  simulateLoss(): void {
    this.#batch.flush();
    this.#send({ kind: "lose" });
  }

  #open(): void {
    const allowed = this.#options.fastReadback ??
      FAST_READBACK_RUNTIMES.includes(Deno.version.deno);
    this.#send({ kind: "open", generation: this.#generation, fastReadback: allowed });
  }

  #take(shape: Shape): DeviceTensor {
    this.#refuseWhenGone();
    const bytes = sizeOf(shape) * DTYPE_BYTES.f32;
    const most = this.limits.bindingBytesMax;
    if (bytes > most) throw new LimitError("bindingBytesMax", most, bytes);
    const id = this.#pool.take(bytes);
    return { shape, dtype: "f32", buffer: { id, bytes, generation: this.#generation } };
  }

  #fill(tensor: DeviceTensor, data: Float32Array<ArrayBuffer>): void {
    const { id, offset } = wireBinding(tensor.buffer, data.byteLength);
    this.#batch.add({ kind: "write", id, offset, data: data.buffer }, data.buffer);
  }

  #refuseDead(tensor: DeviceTensor): void {
    this.#refuseWhenGone();
    if (tensor.buffer.generation !== this.#generation) {
      throw new DeviceLostError("The tensor was on a GPU device that has been lost");
    }
  }

  #refuseWhenGone(): void {
    if (this.#gone !== undefined) throw new DeviceLostError(this.#gone);
  }

  /** Writes launches into the batch; the command that names them has to follow at once. */
  #encode(launches: readonly Launch[]): LaunchRange {
    this.#refuseWhenGone();
    this.#makeRoomForPrograms(launches.length);
    // All of them before the first launch is written, since a full batch is sent in between.
    const programs = launches.map((launch) => this.#programs.numberOf(launch));
    const range = { at: this.#batch.launches.at, count: launches.length };
    launches.forEach((launch, i) => {
      this.#batch.launches.add(programs[i]!, launch, (name, { generation }) => {
        if (generation === this.#generation) return;
        throw new DeviceLostError(`"${name}" was on a GPU device that has been lost`);
      });
    });
    return range;
  }

  /** Forgets all programs before launches that could be too many; numbers in use stay valid. */
  #makeRoomForPrograms(launches: number): void {
    if (this.#programs.hasRoomFor(launches)) return;
    this.#programs.clear();
    this.#batch.add({ kind: "forgetPrograms" });
  }

  #send(request: Request, transfer: Transferable[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #request(
    make: (request: number) => Command,
    handedOver?: ArrayBuffer,
  ): Promise<ArrayBuffer | number[] | number> {
    const request = this.#nextRequest++;
    const { promise, resolve, reject } = Promise.withResolvers<ArrayBuffer | number[] | number>();
    this.#waiting.set(request, { resolve, reject });
    this.#batch.add(make(request), handedOver);
    this.#batch.flush();
    return promise;
  }

  #answer(answer: Answer): void {
    switch (answer.kind) {
      case "started":
        this.#thread = answer.thread;
        return;
      case "opened":
        this.#answered = true;
        this.#info = answer.info;
        this.#limits = answer.limits;
        return this.#opening.resolve();
      case "unavailable":
        this.#answered = true;
        return this.#giveUp(answer.reason);
      case "data":
        return this.#settle(answer.request)?.resolve(answer.data);
      case "times":
        return this.#settle(answer.request)?.resolve(answer.milliseconds);
      case "compiled":
        return this.#settle(answer.request)?.resolve(answer.count);
      case "failed":
        return this.#settle(answer.request)?.reject(new Error(answer.message));
      case "fault":
        return this.#options.log?.(`GPU fault: ${answer.message}`);
      case "lost":
        return this.#lost(answer.generation, answer.reason);
      case "closed":
        return this.#stopped.resolve();
      default:
        answer satisfies never;
    }
  }

  #settle(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    return waiting;
  }

  #lost(generation: number, reason: string): void {
    if (this.#closing !== undefined || generation !== this.#generation) return;
    if (this.#reopens >= REOPENS_MAX) {
      return this.#giveUp(`The GPU device was lost again (${reason})`);
    }
    this.#reopens++;
    this.#options.log?.(`The GPU device was lost (${reason}); opening it again`);
    this.#forget(`The GPU device was lost (${reason})`);
    this.#generation++;
    this.#opening = Promise.withResolvers();
    // Nobody may be waiting for the reopening; its failure shows at the next use.
    this.#opening.promise.catch(() => {});
    this.#open();
  }

  /** Drops all state of the present generation and fails what waits for it. */
  #forget(reason: string): void {
    this.#batch.clear();
    this.#tables.clear();
    this.#programs.clear();
    this.#pool.reset();
    for (const waiting of this.#waiting.values()) waiting.reject(new DeviceLostError(reason));
    this.#waiting.clear();
  }

  #giveUp(reason: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = reason;
    if (this.#closing === undefined) this.#options.log?.(`No GPU: ${reason}`);
    this.#forget(reason);
    this.#opening.promise.catch(() => {});
    this.#opening.reject(new DeviceLostError(reason));
  }
}
