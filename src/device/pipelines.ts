/** Compiled shaders of one GPU device, kept by what they were compiled from. */
import { packShader } from "./packing.ts";
import type { Program } from "./protocol.ts";
import {
  type Constants,
  expandShader,
  interfaceOf,
  type ShaderInterface,
  type ShaderSource,
  type StorageVariable,
} from "./wgsl.ts";

/** Compiled pipelines kept; the least recently used goes first. */
export const PIPELINES_MAX = 512;

/** A pipeline and how to bind to it. */
export interface Pipeline {
  readonly program: Program;
  readonly pipeline: GPUComputePipeline;
  readonly storageLayout: GPUBindGroupLayout;
  readonly shader: ShaderInterface;
  /** Fields of the shader's `Dims` in its order, and which of the launch's sizes each is. */
  readonly dims: readonly { readonly float: boolean; readonly from: number }[];
}

const texts = new Map<string, string>();

/** The text of a shader file of this repository, read once. */
export const shaderFile: ShaderSource = (name) => {
  let text = texts.get(name);
  if (text === undefined) {
    text = Deno.readTextFileSync(new URL(`../../shaders/${name}.wgsl`, import.meta.url));
    texts.set(name, text);
  }
  return text;
};

/** Shaders whose variables are remembered; all are forgotten beyond. */
const SHADERS_MAX = 512;

const declared = new Map<string, ReadonlyMap<string, StorageVariable>>();

/** The storage variables of a shader of this repository with its constants, by name. */
export function storageOf(
  shader: string,
  constants: Constants,
): ReadonlyMap<string, StorageVariable> {
  const key = JSON.stringify([shader, constants]);
  let known = declared.get(key);
  if (known === undefined) {
    if (declared.size >= SHADERS_MAX) declared.clear();
    known = interfaceOf(expandShader(shader, constants, shaderFile)).storage;
    declared.set(key, known);
  }
  return known;
}

/** Compiles on first use; compilation takes 1 to 700 ms and happens in the Worker. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #dimsLayout: GPUBindGroupLayout;
  readonly #kept = new Map<number, Pipeline>();
  #compiled = 0;

  constructor(device: GPUDevice, dimsLayout: GPUBindGroupLayout) {
    this.#device = device;
    this.#dimsLayout = dimsLayout;
  }

  /** How many pipelines were compiled so far. */
  get compiled(): number {
    return this.#compiled;
  }

  /** The pipeline of a program that is compiled already. */
  kept(number: number): Pipeline | undefined {
    const kept = this.#kept.get(number);
    if (kept) {
      // Re-inserted, so that the map's order is the order of last use.
      this.#kept.delete(number);
      this.#kept.set(number, kept);
    }
    return kept;
  }

  /**
   * Compiles a program and keeps it under its number.
   *
   * @throws {SyntaxError} the shader does not compile, or does not declare what the launch binds
   */
  async compile(number: number, program: Program): Promise<Pipeline> {
    const made = await this.#compile(program);
    this.#compiled++;
    this.#kept.set(number, made);
    if (this.#kept.size > PIPELINES_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    return made;
  }

  /** Forgets all pipelines: their numbers will mean other programs. */
  clear(): void {
    this.#kept.clear();
  }

  async #compile(program: Program): Promise<Pipeline> {
    const { names } = program;
    const expanded = expandShader(program.shader, program.constants, shaderFile);
    const text = packShader(expanded, program.packed);
    const shader = interfaceOf(text);
    for (const name of names) {
      if (!shader.storage.has(name)) {
        throw new SyntaxError(`Shader ${program.shader} declares no storage variable "${name}"`);
      }
    }
    this.#device.pushErrorScope("validation");
    const storageLayout = this.#device.createBindGroupLayout({
      entries: names.map((name) => {
        const { binding, writable } = shader.storage.get(name)!;
        const type = writable ? "storage" : "read-only-storage";
        return { binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } };
      }),
    });
    const pipeline = this.#device.createComputePipeline({
      layout: this.#device.createPipelineLayout({
        bindGroupLayouts: [storageLayout, this.#dimsLayout],
      }),
      compute: {
        module: this.#device.createShaderModule({ code: text }),
        entryPoint: program.entry,
      },
    });
    const error = await this.#device.popErrorScope();
    if (error) {
      throw new SyntaxError(`Shader ${program.shader}, entry ${program.entry}: ${error.message}`);
    }
    const dims = shader.dims.map(({ name, float }) => {
      const from = program.dims.indexOf(name);
      if (from >= 0) return { float, from };
      throw new SyntaxError(`Shader ${program.shader} wants size "${name}", the launch has none`);
    });
    return { program, pipeline, storageLayout, shader, dims };
  }
}
