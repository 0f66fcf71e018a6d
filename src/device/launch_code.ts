/**
 * Launches as numbers, the form in which they travel to the GPU's Worker: all of a batch in one
 * array that is handed over. As objects their copying took the caller's thread about as long as
 * planning them.
 *
 *   program, workgroups x y z, then (id, offset, bytes) of each binding, then each size
 *
 * in the order of the program's names; so a launch is as long as its program says.
 */
import type { BufferHandle, Launch } from "./device.ts";
import { type Program, wireBinding, type WireLaunch } from "./protocol.ts";

const HEAD_NUMBERS = 4;
const BINDING_NUMBERS = 3;
const FIRST_NUMBERS = 4096;

/** Collects the launches of a batch. */
export class LaunchWriter {
  #numbers = new Float64Array(FIRST_NUMBERS);
  #used = 0;

  /** Where the next launch will begin. */
  get at(): number {
    return this.#used;
  }

  /**
   * Adds a launch.
   *
   * @param check  called with every buffer that it binds
   */
  add(
    program: number,
    { workgroups, bindings, dims }: Launch,
    check: (variable: string, buffer: BufferHandle) => void,
  ): void {
    const variables = Object.keys(bindings);
    const sizes = Object.values(dims);
    this.#makeRoom(HEAD_NUMBERS + BINDING_NUMBERS * variables.length + sizes.length);
    const start = this.#used;
    let at = start;
    const numbers = this.#numbers;
    numbers[at++] = program;
    for (const count of workgroups) numbers[at++] = count;
    for (const variable of variables) {
      const { buffer, bytes } = bindings[variable]!;
      check(variable, buffer);
      const wire = wireBinding(buffer, bytes);
      numbers[at++] = wire.id;
      numbers[at++] = wire.offset;
      numbers[at++] = wire.bytes;
    }
    for (const size of sizes) numbers[at++] = size;
    this.#used = at;
  }

  /** The launches so far; begins anew. */
  take(): Float64Array<ArrayBuffer> {
    const taken = this.#numbers.slice(0, this.#used);
    this.#used = 0;
    return taken;
  }

  #makeRoom(count: number): void {
    if (this.#used + count <= this.#numbers.length) return;
    const larger = new Float64Array(2 * (this.#numbers.length + count));
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}

/** Reads `count` launches from `at` on. */
export function readLaunches(
  numbers: Float64Array,
  at: number,
  count: number,
  programs: ReadonlyMap<number, Program>,
): WireLaunch[] {
  const launches: WireLaunch[] = [];
  let next = at;
  for (let i = 0; i < count; i++) {
    const program = numbers[next]!;
    const { names, dims } = programs.get(program)!;
    const workgroups = [numbers[next + 1]!, numbers[next + 2]!, numbers[next + 3]!] as const;
    next += HEAD_NUMBERS;
    const first = next;
    const bindings = names.map((_, b) => {
      const from = first + BINDING_NUMBERS * b;
      return { id: numbers[from]!, offset: numbers[from + 1]!, bytes: numbers[from + 2]! };
    });
    next += BINDING_NUMBERS * names.length;
    const from = next;
    launches.push({ program, workgroups, bindings, dims: dims.map((_, d) => numbers[from + d]!) });
    next += dims.length;
  }
  return launches;
}
