/** Compiled shaders of one GPU device, kept by what they were compiled from. */
import type { WireLaunch } from "./protocol.ts";
import { expandShader, interfaceOf, type ShaderInterface, type ShaderSource } from "./wgsl.ts";

/** Compiled pipelines kept; the least recently used goes first. */
export const PIPELINES_MAX = 512;

/** A pipeline and how to bind to it. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly storageLayout: GPUBindGroupLayout;
  readonly shader: ShaderInterface;
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

/** Compiles on first use; compilation takes 1 to 700 ms and happens in the Worker. */
export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #dimsLayout: GPUBindGroupLayout;
  readonly #kept = new Map<string, Pipeline>();

  constructor(device: GPUDevice, dimsLayout: GPUBindGroupLayout) {
    this.#device = device;
    this.#dimsLayout = dimsLayout;
  }

  /**
   * The pipeline of a launch.
   *
   * @throws {SyntaxError} the shader does not compile, or does not declare what the launch binds
   */
  async get(launch: WireLaunch): Promise<Pipeline> {
    const names = launch.bindings.map((binding) => binding.name);
    const key = JSON.stringify([launch.shader, launch.entry, launch.constants, names]);
    const kept = this.#kept.get(key);
    if (kept) {
      // Re-inserted, so that the map's order is the order of last use.
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept;
    }
    const made = await this.#compile(launch, names);
    this.#kept.set(key, made);
    if (this.#kept.size > PIPELINES_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    return made;
  }

  async #compile(launch: WireLaunch, names: readonly string[]): Promise<Pipeline> {
    const text = expandShader(launch.shader, launch.constants, shaderFile);
    const shader = interfaceOf(text);
    for (const name of names) {
      if (!shader.storage.has(name)) {
        throw new SyntaxError(`Shader ${launch.shader} declares no storage variable "${name}"`);
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
        entryPoint: launch.entry,
      },
    });
    const error = await this.#device.popErrorScope();
    if (error) {
      throw new SyntaxError(`Shader ${launch.shader}, entry ${launch.entry}: ${error.message}`);
    }
    return { pipeline, storageLayout, shader };
  }
}
