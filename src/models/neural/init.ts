/**
 * First parameters of the neural forecaster.
 *
 * The modes of an S5 layer are drawn for forecasting rather than from HiPPO: decays log-spaced from
 * 1.5 to 800 samples, periods log-uniform from 2.2 to 600 samples, a quarter of the modes without a
 * period. A mode of decay tau and angle a sample omega has
 *
 *   exp(logDt) = tau^(−3/4)      lambda = −tau^(−1/4) + i·omega·tau^(3/4)
 *
 * which lies between a pole of size 1, whose input would have to grow with tau to be seen, and a
 * step of 1, whose pole would lose its sign to one step of training. B is drawn so that white input
 * of variance 1 gives every mode variance 1, and C so that the modes together then have a third of
 * that deviation: tokens are far from white, and what is constant in them adds up in slow modes.
 */
import { nextNormal, nextUint32, nextUniform, type RandomState } from "../../base/random.ts";
import { discretizeDiagonal } from "../../ssm/discretize.ts";
import type { Shape } from "../../tensor/shape.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { Backbone } from "../backbone.ts";
import type { NeuralConfig } from "./config.ts";
import { ANCHORS, LEAD_FEATURES, LEVELS } from "./shapes.ts";

const DECAY_SAMPLES = [1.5, 800] as const;
const PERIOD_SAMPLES = [2.2, 600] as const;
/** Share of the modes that only decay. */
const SHARE_REAL = 0.25;
/** Deviation of an S5 system's output under white input. */
const OUTPUT_DEVIATION = 1 / 3;
/** The output layer's first weights, as a share of a linear layer's: forecasts begin at anchors. */
const OUT_SHARE = 0.3;

/** Numbers of a row that the decoder makes: logits of the anchors, the spread, the levels. */
export const DECODER_COLUMNS = ANCHORS + 1 + LEVELS.length;

/** Names and shapes of the decoder's parameters. */
export function decoderShapes({ head }: NeuralConfig): readonly (readonly [string, Shape])[] {
  return [
    ["decoder.lead.weight", [head, LEAD_FEATURES]],
    ["decoder.mlp.weight", [head, head]],
    ["decoder.mlp.bias", [head]],
    ["decoder.out.weight", [DECODER_COLUMNS, head]],
    ["decoder.out.bias", [DECODER_COLUMNS]],
  ];
}

function drawn(shape: Shape, value: () => number): Tensor {
  return tensorOf(shape, Float64Array.from({ length: sizeOf(shape) }, value));
}

/** Uniform in ±share/√fanIn where there is a fan, else 0. */
function decoderTensors(config: NeuralConfig, random: RandomState): Record<string, Tensor> {
  return Object.fromEntries(
    decoderShapes(config).map(([name, shape]) => {
      if (name === "decoder.out.bias") return [name, drawn(shape, () => 0)];
      const fanIn = shape[1] ?? config.head;
      const bound = (name === "decoder.out.weight" ? OUT_SHARE : 1) / Math.sqrt(fanIn);
      return [name, drawn(shape, () => bound * (2 * nextUniform(random) - 1))];
    }),
  );
}

/** Whole numbers below `count` in random order. */
function shuffled(count: number, random: RandomState): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = nextUint32(random) % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

function between([low, high]: readonly [number, number], share: number): number {
  return low * (high / low) ** share;
}

/** The modes of one S5 layer, and the matrices whose size goes with them. */
function modeTensors(
  { width, state }: NeuralConfig,
  random: RandomState,
): Record<string, Tensor> {
  const modes = state / 2;
  const logDt = new Float64Array(modes);
  const lambda = new Float64Array(2 * modes);
  shuffled(modes, random).forEach((place, n) => {
    const tau = between(DECAY_SAMPLES, place / Math.max(1, modes - 1));
    const period = between(PERIOD_SAMPLES, nextUniform(random));
    const omega = nextUniform(random) < SHARE_REAL ? 0 : 2 * Math.PI / period;
    logDt[n] = -0.75 * Math.log(tau);
    lambda[2 * n] = -(tau ** -0.25);
    lambda[2 * n + 1] = omega * tau ** 0.75;
  });
  const ones = Float64Array.from({ length: 2 * modes }, (_, i) => 1 - i % 2);
  const { Abar, Bbar } = discretizeDiagonal(lambda, ones, logDt.map(Math.exp), { method: "zoh" });
  const B = new Float64Array(modes * width * 2);
  for (let n = 0; n < modes; n++) {
    const kept = Math.hypot(Abar[2 * n]!, Abar[2 * n + 1]!);
    const gain = Math.hypot(Bbar[2 * n]!, Bbar[2 * n + 1]!);
    const deviation = Math.sqrt((1 - kept * kept) / (2 * width)) / gain;
    for (let i = 0; i < 2 * width; i++) B[n * 2 * width + i] = deviation * nextNormal(random);
  }
  return {
    logDt: tensorOf([modes], logDt),
    lambdaRe: drawn([modes], ((n = 0) => () => lambda[2 * n++]!)()),
    lambdaIm: drawn([modes], ((n = 0) => () => lambda[2 * n++ + 1]!)()),
    B: tensorOf([modes, width, 2], B),
    C: drawn([width, modes, 2], () => nextNormal(random) * OUTPUT_DEVIATION / Math.sqrt(2 * state)),
  };
}

/** First parameters by flat name; the same state of the generator gives the same. */
export function neuralTensors(
  config: NeuralConfig,
  backbone: Backbone,
  random: RandomState,
): Record<string, Tensor> {
  const tensors = backbone.init(random);
  if (config.kind === "s5") {
    for (let layer = 0; layer < config.depth; layer++) {
      for (const [name, tensor] of Object.entries(modeTensors(config, random))) {
        tensors[`layers.${layer}.mixer.${name}`] = tensor;
      }
    }
  }
  return { ...tensors, ...decoderTensors(config, random) };
}
