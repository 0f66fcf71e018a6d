/** A network opened for the streams of one thread. */
import { DenseUnit } from "../../device/mod.ts";
import type { LayerState } from "../../layers/mod.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { backboneConfigOf } from "./config.ts";
import { FastBody, fastBodyBytes, fastObstacle, type LayerClock } from "./fast_body.ts";
import { FastDecoder, fastDecoderBytes } from "./fast_decoder.ts";
import { networkOf } from "./network.ts";
import type { NeuralConfig } from "./network.ts";
import type { NeuralRunner } from "./runner.ts";
import { TOKEN_FEATURES } from "./shapes.ts";

/** What advances a stream's state. */
type Body = Omit<NeuralRunner, "decode">;

/** The clock of each layer, as `network.ts` has it. */
function clocksOf({ kind, depth }: NeuralConfig): LayerClock[] {
  return Array.from(
    { length: depth },
    (_, layer) => kind === "s5" && layer % 2 === 1 ? "season" : "samples",
  );
}

/** Layers without a fast form: the network's own steps, in f32, the state in one array. */
function plainBody(config: NeuralConfig, tensors: Readonly<Record<string, Tensor>>): Body {
  const network = networkOf(config);
  const parts = Object.entries(network.initialState(1, "f32"));
  const views = (state: Float32Array): LayerState => {
    let at = 0;
    return Object.fromEntries(parts.map(([name, { shape, data }]) => {
      const part = state.subarray(at, at += data.length);
      return [name, { shape, dtype: "f32", data: part }];
    }));
  };
  return {
    stateLength: parts.reduce((sum, [, { data }]) => sum + data.length, 0),
    hiddenLength: config.head,
    absorb(state, tokens, elapsed, seasonal, count, hidden) {
      const layers = views(state);
      for (let k = 0; k < count; k++) {
        const token = tokens.slice(k * TOKEN_FEATURES, (k + 1) * TOKEN_FEATURES);
        hidden.set(
          network.stepHidden(tensors, token, elapsed[k]!, seasonal[k]!, layers),
          k * config.head,
        );
      }
    },
  };
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
  const isFast = fastObstacle(backbone) === undefined;
  const bytes = fastDecoderBytes(config.head) + (isFast ? fastBodyBytes(backbone) : 0);
  const unit = new DenseUnit(bytes);
  const decoder = new FastDecoder(unit, config.head, tensors);
  const decode: NeuralRunner["decode"] = (hidden, leads, count) =>
    decoder.decode(hidden, leads, count);
  if (!isFast) return { ...plainBody(config, tensors), decode };
  const body = new FastBody(unit, backbone, tensors, clocksOf(config));
  return {
    stateLength: body.stateLength,
    hiddenLength: config.head,
    absorb: (state, tokens, elapsed, seasonal, count, hidden) =>
      body.absorb(state, tokens, elapsed, seasonal, count, hidden),
    decode,
  };
}
