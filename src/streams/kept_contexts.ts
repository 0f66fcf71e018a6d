import { sha256Hex } from "../base/hash.ts";
import type { ForecasterModel } from "../models/forecaster.ts";
import type { ForecasterState } from "../models/forecaster_state.ts";
import type { ChannelConfig } from "../models/model.ts";

function bytesOf(values: Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** What a state at the end of a context is a function of. */
function keyOf(
  model: ForecasterModel,
  config: ChannelConfig,
  timesS: Float64Array,
  values: Float64Array,
): string {
  const { epochNs, seasonsS, ...rest } = config;
  const told = { ...rest, epochNs: String(epochNs), seasonsS: Array.from(seasonsS) };
  const parts = [model.name, JSON.stringify(told), sha256Hex(bytesOf(timesS))];
  return [...parts, sha256Hex(bytesOf(values))].join(" ");
}

/**
 * States at the ends of contexts, kept for the next question about the same past: what else the
 * future is told to be changes nothing in them. The least recently used goes first.
 */
export class KeptContexts {
  readonly #limit: number;
  /** By what they are functions of; the newest use last. */
  readonly #states = new Map<string, ForecasterState>();

  /** @param limit  states that are kept */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** States that are kept. */
  get size(): number {
    return this.#states.size;
  }

  /**
   * The same model, whose states of contexts are kept. They are for forecasts: who has one must not
   * absorb more into it.
   */
  keeping(model: ForecasterModel): ForecasterModel {
    return {
      ...model,
      stateOfContext: (config, timesS, values) => {
        const key = keyOf(model, config, timesS, values);
        const state = this.#states.get(key) ?? model.stateOfContext(config, timesS, values);
        this.#states.delete(key);
        this.#states.set(key, state);
        if (this.#states.size > this.#limit) {
          this.#states.delete(this.#states.keys().next().value!);
        }
        return state;
      },
    };
  }
}
