/** A network opened for the streams of one thread. */
import { DenseUnit } from "../../device/mod.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { backboneConfigOf } from "./config.ts";
import { FastBody, fastBodyBytes, type LayerClock } from "./fast_body.ts";
import { FastDecoder, fastDecoderBytes } from "./fast_decoder.ts";
import type { NeuralConfig } from "./network.ts";
import type { NeuralRunner } from "./runner.ts";

/** The clock of each layer, as `network.ts` has it. */
function clocksOf({ kind, depth }: NeuralConfig): LayerClock[] {
  return Array.from(
    { length: depth },
    (_, layer) => kind === "s5" && layer % 2 === 1 ? "season" : "samples",
  );
}

/**
 * Opens a network: packs its weights into memory of the SIMD kernels.
 *
 * @throws {InvalidValueError} a tensor is missing
 * @throws {Error} the processor has no SIMD, or there is no memory left
 */
export function openRunner(
  { config, tensors }: {
    readonly config: NeuralConfig;
    readonly tensors: Readonly<Record<string, Tensor>>;
  },
): NeuralRunner {
  const backbone = backboneConfigOf(config);
  const unit = new DenseUnit(fastDecoderBytes(config.head) + fastBodyBytes(backbone));
  const decoder = new FastDecoder(unit, config.head, tensors);
  const body = new FastBody(unit, backbone, tensors, clocksOf(config));
  return {
    stateLength: body.stateLength,
    hiddenLength: config.head,
    absorb: (state, tokens, elapsed, seasonal, count, hidden) =>
      body.absorb(state, tokens, elapsed, seasonal, count, hidden),
    decode: (hidden, leads, count) => decoder.decode(hidden, leads, count),
    decodeRoughly: (hidden, leads, count) => decoder.decodeRoughly(hidden, leads, count),
  };
}
