/** Which programs the GPU's Worker knows, by number. */
import type { Launch } from "./device.ts";
import type { Program } from "./protocol.ts";

/** Programs that the Worker knows by number; all are sent again when there are more. */
export const PROGRAMS_MAX = 2048;

/** Numbers of the programs that were sent. */
export class ProgramNumbers {
  readonly #send: (number: number, program: Program) => void;
  readonly #numbers = new Map<string, number>();
  /** Launches of one template have one program, found without a look at its parts. */
  #ofTemplates = new WeakMap<object, number>();

  /** @param send  called with every program before its number is used */
  constructor(send: (number: number, program: Program) => void) {
    this.#send = send;
  }

  /** Whether so many more programs can be known. */
  hasRoomFor(count: number): boolean {
    return this.#numbers.size + count <= PROGRAMS_MAX;
  }

  /** Forgets all of them; the Worker has to be told where it lives on. */
  clear(): void {
    this.#numbers.clear();
    this.#ofTemplates = new WeakMap();
  }

  /** The number of a launch's program, which is sent at its first use. */
  numberOf(launch: Launch): number {
    const { template } = launch;
    const known = template && this.#ofTemplates.get(template);
    if (known !== undefined) return known;
    const number = this.#numberOfParts(launch);
    if (template !== undefined) this.#ofTemplates.set(template, number);
    return number;
  }

  #numberOfParts({ shader, entry, constants, packed = {}, ...launch }: Launch): number {
    const names = Object.keys(launch.bindings);
    const dims = Object.keys(launch.dims);
    const key = JSON.stringify([shader, entry, constants, names, dims, packed]);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    this.#numbers.set(key, number);
    this.#send(number, { shader, entry, constants, names, dims, packed });
    return number;
  }
}
