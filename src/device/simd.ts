/**
 * The CPU's vector unit: WebAssembly SIMD kernels (sources in `simd/assembly`, built by
 * `deno task simd:build` into `simd.wasm` beside this file), on one core or several.
 *
 * Tensors of 64 KiB and more lie in the module's memory ({@linkcode SimdUnit.hold}), and a kernel
 * works on them in place; what lies outside (uploaded arrays, short ones, all beyond the rooms'
 * limits) a run copies in, and its outputs back. So where an array lies decides on copies alone:
 * whether a kernel runs, and with what result, depends on the op's shapes and inputs.
 *
 * The memory, by address:
 *
 *   copies of a run, its scratch, then that of its threads      1 GiB and 16 MiB a thread
 *   tensors, until they are freed                               1 GiB
 *   residents: states of many streams, few of which a run takes 1.5 GiB
 *
 * Results are the same bits on every machine and for every number of threads: only SIMD of fixed
 * meaning is used (no relaxed instructions), and each task writes outputs of its own, whose sums it
 * adds in one order, whoever runs it.
 */
import { LimitError } from "../base/errors.ts";
import { invariant } from "../base/invariant.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { HeldMemory } from "./held_memory.ts";
import type { SimdPass, SimdPlan, SimdRoom, SimdUnit } from "./device.ts";
import { SimdPool } from "./simd_pool.ts";

/** Most bytes of an op's arrays and scratch together; a larger op runs as its twin. */
export const SIMD_BYTES_MAX = 2 ** 30;

/** Most bytes of scratch that one thread of a pass may ask for; beyond it the twin runs. */
export const SIMD_THREAD_BYTES_MAX = 2 ** 24;

/** Most threads of one device, the caller's own included. */
export const SIMD_THREADS_MAX = 16;

/** From this much work on (in an op's own unit) kernels are faster than twins, copies included. */
export const SIMD_WORK_MIN = 4096;

/** From this much time on one core on, waking other threads is worth its 0.05 to 0.2 ms. */
export const SIMD_THREADS_FROM_MS = 0.5;

/** Most bytes of tensors in the kernels' memory; one beyond it lies outside and is copied. */
export const SIMD_TENSOR_BYTES_MAX = 2 ** 30;

/** The same for arrays that stay for many runs: these are never crowded out by tensors. */
export const SIMD_RESIDENT_BYTES_MAX = 1.5 * 2 ** 30;

const PAGE_BYTES = 65_536;
/** Where tensors begin: behind the copies of a run and the scratch of all threads. */
const TENSORS_AT = SIMD_BYTES_MAX + SIMD_THREADS_MAX * SIMD_THREAD_BYTES_MAX;
const RESIDENTS_AT = TENSORS_AT + SIMD_TENSOR_BYTES_MAX;
/** As built: 3.75 GiB of the 4 that an address reaches. What was never touched takes no memory. */
const PAGES_MAX = (RESIDENTS_AT + SIMD_RESIDENT_BYTES_MAX) / PAGE_BYTES;
/** Vectors that straddle cache lines are slower. Address 0 means "not given". */
const ALIGN_BYTES = 64;

/** Options of {@linkcode openSimd}. */
export interface SimdOptions {
  /** Threads, 1 to {@linkcode SIMD_THREADS_MAX}; default 1. More than 1 needs `close`. */
  readonly threads?: number;
  /** Work from which on kernels run; default {@linkcode SIMD_WORK_MIN}. 0 in tests: always. */
  readonly workMin?: number;
  /** Fills the memory with NaN before each run, so that unwritten outputs show in tests. */
  readonly poison?: boolean;
  /** Time on one core from which on threads are used; default {@linkcode SIMD_THREADS_FROM_MS}. */
  readonly threadsFromMs?: number;
}

/** A kernel: tasks `begin` to `end`, the thread's scratch, then arrays and sizes. */
type Kernel = (begin: number, end: number, scratch: number, ...args: number[]) => void;

let compiled: WebAssembly.Module | undefined;

/** The module of the kernels, read and compiled once. */
export function simdModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(Deno.readFileSync(new URL("./simd.wasm", import.meta.url)));
  return compiled;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
}

/** Memory and kernels, made at the first run. */
class Engine {
  readonly module = simdModule();
  readonly memory = new WebAssembly.Memory({ initial: 1, maximum: PAGES_MAX, shared: true });
  readonly kernels: Readonly<Record<string, Kernel>>;
  readonly #rooms: Readonly<Record<SimdRoom, HeldMemory>> = {
    tensor: new HeldMemory(TENSORS_AT, SIMD_TENSOR_BYTES_MAX),
    resident: new HeldMemory(RESIDENTS_AT, SIMD_RESIDENT_BYTES_MAX),
  };
  /** Views of this memory that were handed out: a larger one makes those before it no less true. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  #floats = new Float32Array(this.memory.buffer);

  constructor() {
    const instance = new WebAssembly.Instance(this.module, { env: { memory: this.memory } });
    this.kernels = instance.exports as unknown as Record<string, Kernel>;
  }

  /** The memory as numbers, at least so many bytes of it. @throws {LimitError} none left */
  floats(bytes: number): Float32Array {
    const missing = bytes - this.memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.memory.grow(Math.ceil(missing / PAGE_BYTES));
      } catch {
        throw new LimitError("simdBytes", this.memory.buffer.byteLength, bytes);
      }
      this.#floats = new Float32Array(this.memory.buffer);
    }
    return this.#floats;
  }

  /** An array that stays until `release`; undefined where there is no place for it. */
  hold(length: number, room: SimdRoom): Float32Array | undefined {
    const bytes = Math.max(ALIGN_BYTES, aligned(4 * length));
    const held = this.#rooms[room];
    const start = held.take(bytes);
    if (start === undefined) return undefined;
    try {
      const { buffer } = this.floats(start + bytes);
      this.#buffers.add(buffer);
      return new Float32Array(buffer, start, length);
    } catch (error) {
      held.give(start);
      if (!(error instanceof LimitError)) throw error;
      return undefined;
    }
  }

  release({ byteOffset }: FloatArray): void {
    this.#rooms[byteOffset < RESIDENTS_AT ? "tensor" : "resident"].give(byteOffset);
  }

  /** Where an array that is held lies; undefined where it lies outside. */
  addressOf(array: FloatArray): number | undefined {
    return this.#buffers.has(array.buffer) ? array.byteOffset : undefined;
  }
}

/** An array of a run. */
interface Placed {
  readonly name: string;
  readonly array: FloatArray;
  /** Where it lies in the module's memory; undefined where it has to be copied. */
  readonly address: number | undefined;
}

/** Arrays of a run with where each lies. */
function placedOf(
  engine: Engine | undefined,
  arrays: Readonly<Record<string, FloatArray>>,
): Placed[] {
  return Object.entries(arrays)
    .map(([name, array]) => ({ name, array, address: engine?.addressOf(array) }));
}

/** Where everything of one run lies. */
interface Layout {
  readonly addresses: ReadonlyMap<string, number>;
  /** Scratch of thread 0; the others' follow. */
  readonly threadsAt: number;
  readonly threadBytes: number;
  /** What all of it takes but residents, wherever it lies: the limit must not depend on that. */
  readonly bytes: number;
}

/** @param arrays  those that the plan names, each with its address where it stays */
function layoutOf(plan: SimdPlan, arrays: readonly Placed[]): Layout {
  const addresses = new Map<string, number>();
  let end = ALIGN_BYTES;
  let inPlace = 0;
  const place = (name: string, floats: number) => {
    addresses.set(name, end);
    end += aligned(4 * floats);
  };
  for (const { name, array, address } of arrays) {
    if (address === undefined) {
      place(name, array.length);
    } else {
      addresses.set(name, address);
      if (address < RESIDENTS_AT) inPlace += aligned(4 * array.length);
    }
  }
  for (const [name, floats] of Object.entries(plan.scratch)) place(name, floats);
  const threadFloats = Math.max(0, ...plan.passes.map((pass) => pass.threadFloats ?? 0));
  const threadBytes = aligned(4 * threadFloats);
  return { addresses, threadsAt: end, threadBytes, bytes: end + inPlace };
}

/** Whether a run takes no more than the limits of the kernels' memory. */
function fits({ bytes, threadBytes }: Layout): boolean {
  return bytes <= SIMD_BYTES_MAX && threadBytes <= SIMD_THREAD_BYTES_MAX;
}

/** Whether a kernel of the plan is given this array. */
function isRead(plan: SimdPlan, name: string): boolean {
  return plan.passes.some((pass) => pass.args.includes(name));
}

/** Numbers as they are and arrays as addresses; 0 for an array that is not given. */
function argsOf(pass: SimdPass, { addresses }: Layout): number[] {
  return pass.args.map((arg) => typeof arg === "number" ? arg : addresses.get(arg) ?? 0);
}

/** Copies arrays that lie outside to their places in the kernels' memory. */
function copyIn(floats: Float32Array, placed: readonly Placed[], { addresses }: Layout): void {
  for (const { name, array, address } of placed) {
    if (address === undefined) floats.set(array, addresses.get(name)! / 4);
  }
}

/** Copies them back. */
function copyOut(floats: Float32Array, placed: readonly Placed[], { addresses }: Layout): void {
  for (const { name, array, address } of placed) {
    if (address !== undefined) continue;
    const start = addresses.get(name)! / 4;
    array.set(floats.subarray(start, start + array.length));
  }
}

/**
 * The kernels of a CPU device. Nothing is compiled or allocated before the first run; threads start
 * at the first run that is long enough for them, and are joined by later ones as they come up.
 *
 * @throws {LimitError} more threads than {@linkcode SIMD_THREADS_MAX}
 */
export function openSimd(options: SimdOptions = {}): SimdUnit {
  const { threads = 1, workMin = SIMD_WORK_MIN, poison = false } = options;
  const { threadsFromMs = SIMD_THREADS_FROM_MS } = options;
  if (threads > SIMD_THREADS_MAX) throw new LimitError("simdThreads", SIMD_THREADS_MAX, threads);
  let engine: Engine | undefined;
  let unavailable: string | undefined;
  let pool: SimdPool | undefined;
  let isClosed = false;

  function open(): Engine | undefined {
    if (engine !== undefined || unavailable !== undefined) return engine;
    try {
      engine = new Engine();
    } catch (error) {
      // A processor without SIMD, or a file that is gone: the twins do the work.
      unavailable = error instanceof Error ? error.message : String(error);
    }
    return engine;
  }

  function runPass(pass: SimdPass, layout: Layout, isLong: boolean): void {
    const { kernels, module, memory } = engine!;
    const kernel = kernels[pass.entry];
    invariant(kernel, `no SIMD kernel is called "${pass.entry}"`);
    const args = argsOf(pass, layout);
    if (isLong && pass.tasks > 1 && threads > 1 && !isClosed) {
      pool ??= new SimdPool(module, memory, threads - 1);
      const { entry, tasks } = pass;
      pool.run({ ...layout, entry, kernel, args, tasks });
      return;
    }
    kernel(0, pass.tasks, layout.threadsAt, ...args);
  }

  return {
    workMin,
    threads,
    get threadsReady() {
      return 1 + (pool?.ready ?? 0);
    },
    get unavailable() {
      open();
      return unavailable;
    },
    hold: (length, room) => open()?.hold(length, room),
    holds: (array) => engine?.addressOf(array) !== undefined,
    release: (array) => engine!.release(array),
    run(plan, inputs, outputs) {
      const given = placedOf(engine, { ...inputs, ...plan.tables })
        .filter(({ name }) => isRead(plan, name));
      const filled = placedOf(engine, outputs);
      const layout = layoutOf(plan, [...given, ...filled]);
      if (!fits(layout)) return false;
      if (open() === undefined) return false;
      const bytes = layout.threadsAt + threads * layout.threadBytes;
      const floats = engine!.floats(bytes);
      if (poison) floats.fill(NaN, 0, bytes / 4);
      const continued = filled.filter(({ name }) => plan.resident?.includes(name));
      copyIn(floats, [...given, ...continued], layout);
      for (const pass of plan.passes) runPass(pass, layout, plan.coreMs >= threadsFromMs);
      copyOut(floats, filled, layout);
      return true;
    },
    close() {
      isClosed = true;
      pool?.close();
      pool = undefined;
    },
  };
}
