/**
 * One opened GPU device inside the Worker: buffers by id, launches in order, reads.
 *
 * Launches gather in one command encoder and are submitted when a read, or a write into a buffer
 * they use, needs it; the sizes of each launch lie in one uniform buffer under a dynamic offset.
 */
import { DeviceLostError } from "../base/errors.ts";
import type { AdapterSummary, GpuLimits } from "./device.ts";
import { openAdapter, type OpenedAdapter } from "./adapter.ts";
import { type Pipeline, PipelineCache, shaderFile } from "./pipelines.ts";
import { readLaunches } from "./launch_code.ts";
import type { Command, LaunchRange, Program, WireBinding, WireLaunch } from "./protocol.ts";
import { type Readback, STAGING_BYTES_MAX, wholeWords } from "./readback.ts";
import { interfaceOf, type ShaderInterface } from "./wgsl.ts";

/** Bytes of one launch's sizes; WebGPU's default alignment of dynamic offsets. */
const DIMS_SLOT_BYTES = 256;
/** Launches in one submit. */
export const LAUNCHES_PER_SUBMIT_MAX = 256;
/** Bind groups kept; all go when there are more. */
export const BIND_GROUPS_MAX = 4096;
/** Bytes bound at least: one vec4, the widest element of a shader's array. */
const BINDING_BYTES_MIN = 16;
const TIMESTAMP_BYTES = 8;
/** An error of a device that is lost within this time is taken for a sign of the loss. */
const LOSS_GRACE_MS = 50;
const NS_PER_MS = 1e6;

/** Result of one read or timing. */
export interface SessionEvents {
  data(request: number, data: ArrayBuffer): void;
  times(request: number, milliseconds: number[]): void;
  compiled(request: number, count: number): void;
  failed(request: number, message: string): void;
  fault(message: string): void;
}

/** A GPU device with everything that was made on it. */
export class GpuSession {
  readonly info: AdapterSummary;
  readonly limits: GpuLimits;
  readonly lost: Promise<string>;
  readonly #device: GPUDevice;
  readonly #events: SessionEvents;
  readonly #readback: Readback;
  readonly #pipelines: PipelineCache;
  readonly #dimsBuffer: GPUBuffer;
  readonly #dimsGroup: GPUBindGroup;
  readonly #dimsBytes = new ArrayBuffer(DIMS_SLOT_BYTES * LAUNCHES_PER_SUBMIT_MAX);
  readonly #dimsView = new DataView(this.#dimsBytes);
  /** Where each launch's sizes lie: as a typed array they are bound four times as fast. */
  readonly #dimsOffsets = Uint32Array.from(
    { length: LAUNCHES_PER_SUBMIT_MAX },
    (_, launch) => launch * DIMS_SLOT_BYTES,
  );
  readonly #dimsWords = new Uint32Array(this.#dimsBytes);
  /** What lies in the buffer: serving repeats its launches, and so their sizes. */
  readonly #dimsSent = new Uint32Array(this.#dimsWords.length);
  readonly #buffers = new Map<number, GPUBuffer>();
  readonly #programs = new Map<number, Program>();
  /** By program and buffers: iterations repeat their launches on the pool's same buffers. */
  readonly #groups = new Map<string, GPUBindGroup>();
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  /** Buffers that the commands not yet submitted touch. */
  #touched = new Set<number>();
  #condemned: GPUBuffer[] = [];
  #launches = 0;
  /** Buffers whose contents are wrong because a launch that writes them failed, and why. */
  readonly #spoilt = new Map<number, string>();
  #fault: string | undefined;

  private constructor(
    { device, info, limits, readback }: OpenedAdapter,
    events: SessionEvents,
  ) {
    this.#device = device;
    this.info = info;
    this.limits = limits;
    this.#readback = readback;
    this.#events = events;
    this.lost = device.lost.then((loss) => `${loss.reason}: ${loss.message}`);
    device.addEventListener("uncapturederror", (event) => {
      this.#noteFault((event as GPUUncapturedErrorEvent).error.message);
    });
    const dimsLayout = device.createBindGroupLayout({
      entries: [{
        binding: 0,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: "uniform", hasDynamicOffset: true, minBindingSize: 0 },
      }],
    });
    this.#dimsBuffer = device.createBuffer({
      size: this.#dimsBytes.byteLength,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.#dimsGroup = device.createBindGroup({
      layout: dimsLayout,
      entries: [{ binding: 0, resource: { buffer: this.#dimsBuffer, size: DIMS_SLOT_BYTES } }],
    });
    this.#pipelines = new PipelineCache(device, dimsLayout);
  }

  /**
   * Opens the machine's adapter; see {@linkcode openAdapter}.
   *
   * @param allowFast  reads may skip awaiting where a probe proves it right
   * @throws {GpuUnavailableError} no WebGPU or no adapter
   */
  static async open(allowFast: boolean, events: SessionEvents): Promise<GpuSession> {
    return new GpuSession(await openAdapter(allowFast), events);
  }

  /** Runs the commands of one batch in order. Failures reach the events, never the caller. */
  async run(commands: readonly Command[], numbers: Float64Array): Promise<void> {
    this.#device.pushErrorScope("out-of-memory");
    for (const command of commands) {
      try {
        await this.#command(command, numbers);
      } catch (error) {
        // A lost device shows first as odd errors; the loss itself then fails what waits.
        if (await this.#lostByNow()) return;
        const message = error instanceof Error ? error.message : String(error);
        if ("request" in command) this.#events.failed(command.request, message);
        else this.#events.fault(message);
      }
    }
    this.#submit();
    const error = await this.#device.popErrorScope();
    if (error && !await this.#lostByNow()) {
      this.#noteFault(`Out of device memory: ${error.message}`);
    }
  }

  /** Destroys the device. Reads under way are settled first. */
  async close(): Promise<void> {
    await this.#readback.settle();
    this.#device.destroy();
  }

  /** What tests use to make the device go away under running work. */
  lose(): void {
    this.#device.destroy();
  }

  async #lostByNow(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), LOSS_GRACE_MS);
    this.lost.then(() => resolve(true));
    const lost = await promise;
    clearTimeout(timer);
    return lost;
  }

  #noteFault(message: string): void {
    this.#fault ??= message;
    this.#events.fault(message);
  }

  async #command(command: Command, numbers: Float64Array): Promise<void> {
    switch (command.kind) {
      case "create":
        this.#buffers.set(command.id, this.#createBuffer(command.bytes));
        return;
      case "destroy":
        this.#condemned.push(this.#buffer(command.id));
        this.#buffers.delete(command.id);
        // A kept group would keep the buffer's memory.
        this.#groups.clear();
        this.#spoilt.delete(command.id);
        return;
      case "write":
        if (this.#touched.has(command.id)) this.#submit();
        this.#spoilt.delete(command.id);
        if (command.data.byteLength > 0) {
          this.#device.queue.writeBuffer(this.#buffer(command.id), command.offset, command.data);
        }
        return;
      case "program":
        this.#programs.set(command.number, command.program);
        return;
      case "forgetPrograms":
        this.#programs.clear();
        this.#pipelines.clear();
        this.#groups.clear();
        return;
      case "launch":
        return await this.#launch(this.#launchesOf(command.range, numbers));
      case "read":
        return await this.#read(command.request, command.from, command.into);
      case "compile":
        if (command.program !== undefined) await this.#pipelineOf(command.program);
        return this.#events.compiled(command.request, this.#pipelines.compiled);
      case "time":
        return await this.#time(
          command.request,
          this.#launchesOf(command.range, numbers),
          command.repeats,
        );
      default:
        command satisfies never;
    }
  }

  #launchesOf({ at, count }: LaunchRange, numbers: Float64Array): WireLaunch[] {
    return readLaunches(numbers, at, count, this.#programs);
  }

  #createBuffer(bytes: number): GPUBuffer {
    return this.#device.createBuffer({
      size: bytes,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
  }

  #buffer(id: number): GPUBuffer {
    const buffer = this.#buffers.get(id);
    if (!buffer) throw new DeviceLostError(`Device memory ${id} was freed or lost`);
    return buffer;
  }

  /** Issues the launches of one op. Where one fails, what all of them write is marked as spoilt. */
  async #launch(launches: readonly WireLaunch[]): Promise<void> {
    const spoilt = this.#spoiltInput(launches);
    try {
      if (spoilt !== undefined) throw new Error(spoilt);
      // Compiled before the first is recorded, so that a broken shader leaves no half-done op.
      const made: Pipeline[] = [];
      for (const { program } of launches) made.push(await this.#pipelineOf(program));
      launches.forEach((launch, i) => {
        // A dispatch of nothing is legal but costs a bind group; zero-sized tensors end here.
        if (launch.workgroups.every((count) => count > 0)) this.#add(launch, made[i]!);
      });
      if (this.#spoilt.size > 0) {
        for (const { id } of this.#written(launches)) this.#spoilt.delete(id);
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      for (const { id } of this.#written(launches)) this.#spoilt.set(id, message);
      if (spoilt === undefined) throw error;
    }
  }

  /** The pipeline of a program, compiled at its first use. */
  #pipelineOf(program: number): Pipeline | Promise<Pipeline> {
    return this.#pipelines.kept(program) ??
      this.#pipelines.compile(program, this.#programs.get(program)!);
  }

  /** The bindings that launches write, by what their shader files declare. */
  #written(launches: readonly WireLaunch[]): WireBinding[] {
    return launches.flatMap(({ program, bindings }) => {
      const { shader, names } = this.#programs.get(program)!;
      const storage = declaredStorage(shader);
      return bindings.filter((_, i) => storage?.get(names[i]!)?.writable !== false);
    });
  }

  /** The fault that spoilt one of the buffers that these launches only read. */
  #spoiltInput(launches: readonly WireLaunch[]): string | undefined {
    if (this.#spoilt.size === 0) return undefined;
    const outputs = new Set(this.#written(launches).map(({ id }) => id));
    for (const { bindings } of launches) {
      for (const { id } of bindings) {
        if (!outputs.has(id) && this.#spoilt.has(id)) return this.#spoilt.get(id);
      }
    }
    return undefined;
  }

  #add(launch: WireLaunch, made: Pipeline): void {
    if (this.#launches === LAUNCHES_PER_SUBMIT_MAX) this.#submit();
    this.#encoder ??= this.#device.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    this.#record(this.#pass, launch, made);
  }

  #record(pass: GPUComputePassEncoder, launch: WireLaunch, made: Pipeline): void {
    const place = this.#launches++;
    writeDimsInto(this.#dimsView, place * DIMS_SLOT_BYTES, launch, made);
    pass.setPipeline(made.pipeline);
    pass.setBindGroup(0, this.#bind(launch, made));
    pass.setBindGroup(1, this.#dimsGroup, this.#dimsOffsets, place, 1);
    pass.dispatchWorkgroups(...launch.workgroups);
  }

  #bind({ program, bindings }: WireLaunch, made: Pipeline): GPUBindGroup {
    let key = `${program}`;
    for (const { id, offset, bytes } of bindings) {
      this.#touched.add(id);
      key += `,${id}:${offset}:${bytes}`;
    }
    let group = this.#groups.get(key);
    if (group !== undefined) return group;
    group = this.#device.createBindGroup({
      layout: made.storageLayout,
      entries: bindings.map(({ id, offset, bytes }, i) => {
        const { binding } = made.shader.storage.get(made.program.names[i]!)!;
        // WebGPU has no empty bindings, and none smaller than one element of the variable.
        return {
          binding,
          resource: { buffer: this.#buffer(id), offset, size: Math.max(BINDING_BYTES_MIN, bytes) },
        };
      }),
    });
    if (this.#groups.size >= BIND_GROUPS_MAX) this.#groups.clear();
    this.#groups.set(key, group);
    return group;
  }

  #submit(): void {
    if (this.#encoder) {
      this.#pass?.end();
      this.#sendDims();
      this.#device.queue.submit([this.#encoder.finish()]);
    }
    this.#encoder = undefined;
    this.#pass = undefined;
    this.#launches = 0;
    this.#touched = new Set();
    for (const buffer of this.#condemned) buffer.destroy();
    this.#condemned = [];
  }

  /** Writes the sizes of the launches that are submitted next, where the buffer has others. */
  #sendDims(): void {
    const words = this.#launches * DIMS_SLOT_BYTES / Uint32Array.BYTES_PER_ELEMENT;
    let same = 0;
    while (same < words && this.#dimsWords[same] === this.#dimsSent[same]) same++;
    if (same === words) return;
    this.#dimsSent.set(this.#dimsWords.subarray(0, words));
    const used = new Uint8Array(this.#dimsBytes, 0, this.#launches * DIMS_SLOT_BYTES);
    this.#device.queue.writeBuffer(this.#dimsBuffer, 0, used);
  }

  async #read(
    request: number,
    { id, offset, bytes }: WireBinding,
    into: ArrayBuffer | undefined,
  ): Promise<void> {
    const spoilt = this.#spoilt.get(id);
    if (spoilt !== undefined) {
      this.#submit();
      return this.#events.failed(request, spoilt);
    }
    const pieces = Math.max(1, Math.ceil(bytes / STAGING_BYTES_MAX));
    let data = pieces > 1 ? into ?? new ArrayBuffer(bytes) : into;
    for (let i = 0, at = 0; i < pieces; i++, at += STAGING_BYTES_MAX) {
      const length = Math.min(STAGING_BYTES_MAX, bytes - at);
      const staging = await this.#readback.stagingFor(length);
      // In the encoder of the launches before it: a submit of its own would cost as much again.
      this.#pass?.end();
      this.#pass = undefined;
      this.#encoder ??= this.#device.createCommandEncoder();
      const words = wholeWords(length);
      this.#encoder.copyBufferToBuffer(this.#buffer(id), offset + at, staging, 0, words);
      this.#submit();
      data = await this.#readback.bring(staging, length, data, at);
    }
    const fault = this.#fault;
    this.#fault = undefined;
    if (fault !== undefined) this.#events.failed(request, fault);
    else this.#events.data(request, data!);
  }

  /** Times the launches on the GPU's own clock, `repeats` times after one untimed run. */
  async #time(request: number, launches: readonly WireLaunch[], repeats: number): Promise<void> {
    this.#submit();
    const made: Pipeline[] = [];
    for (const { program } of launches) made.push(await this.#pipelineOf(program));
    const count = 2 * (repeats + 1);
    const querySet = this.#device.createQuerySet({ type: "timestamp", count });
    const resolved = this.#device.createBuffer({
      size: count * TIMESTAMP_BYTES,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    const encoder = this.#device.createCommandEncoder();
    for (let turn = 0; turn <= repeats; turn++) {
      const pass = encoder.beginComputePass({
        timestampWrites: {
          querySet,
          beginningOfPassWriteIndex: 2 * turn,
          endOfPassWriteIndex: 2 * turn + 1,
        },
      });
      this.#launches = 0;
      launches.forEach((launch, i) => this.#record(pass, launch, made[i]!));
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    this.#sendDims();
    this.#device.queue.submit([encoder.finish()]);
    this.#submit();
    const data = await this.#readback.read(resolved, count * TIMESTAMP_BYTES);
    const stamps = new BigUint64Array(data);
    resolved.destroy();
    querySet.destroy();
    const milliseconds: number[] = [];
    for (let turn = 1; turn <= repeats; turn++) {
      milliseconds.push(Number(stamps[2 * turn + 1]! - stamps[2 * turn]!) / NS_PER_MS);
    }
    this.#events.times(request, milliseconds);
  }
}

/** What a shader file declares, or nothing where there is no such file. */
function declaredStorage(shader: string): ShaderInterface["storage"] | undefined {
  try {
    return interfaceOf(shaderFile(shader)).storage;
  } catch {
    return undefined;
  }
}

/** Writes a launch's sizes in the order of the shader's `Dims`. */
function writeDimsInto(view: DataView, slot: number, { dims }: WireLaunch, made: Pipeline): void {
  made.dims.forEach(({ float, from }, i) => {
    const value = dims[from]!;
    if (float) view.setFloat32(slot + 4 * i, value, true);
    else view.setUint32(slot + 4 * i, value, true);
  });
}
