/**
 * Weights of version 1 in the form of version 2: the same forecasts, with room for what version 2
 * sees more. Version 1 had 20 numbers of a sample, 13 anchors and 16 scalars of a lead, each the
 * first ones of today's.
 *
 *   numbers that are new        columns of zeros
 *   anchors that are new        rows of zeros, and a bias of {@linkcode LOGIT_ASLEEP}
 *
 * An anchor with this bias weighs e^−30 at most of one whose logit is 0: nothing in f32. Gradients
 * of its logit are as small, so {@linkcode wakeAnchors} lifts it before a training goes on.
 */
import { InvalidValueError } from "../../base/errors.ts";
import { type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { ANCHORS, LEAD_BASIS, LEAD_SCALARS, LEVELS, TOKEN_FEATURES } from "./shapes.ts";

/** Bias of an anchor that has no part in a forecast. */
export const LOGIT_ASLEEP = -30;
/** Bias that an anchor without a part begins a training with. */
export const LOGIT_AWAKE = -3;

const WAS = { tokens: 20, anchors: 13, scalars: 16 } as const;

type Tensors = Readonly<Record<string, Tensor>>;

/** Stretches of columns or rows: how many there were and how many there are. */
type Stretch = readonly [was: number, is: number];

const LEAD: readonly Stretch[] = [
  [WAS.anchors, ANCHORS],
  [WAS.anchors, ANCHORS],
  [WAS.scalars, LEAD_SCALARS],
  [LEAD_BASIS, LEAD_BASIS],
];
const TOKEN: readonly Stretch[] = [[WAS.tokens, TOKEN_FEATURES]];
const OUT: readonly Stretch[] = [[WAS.anchors, ANCHORS], [1 + LEVELS.length, 1 + LEVELS.length]];

const total = (stretches: readonly Stretch[], side: 0 | 1) =>
  stretches.reduce((sum, stretch) => sum + stretch[side], 0);

/** Where each of the present places was; −1 where it was not. */
function placesOf(stretches: readonly Stretch[]): number[] {
  let from = 0;
  return stretches.flatMap(([was, is]) => {
    const first = from;
    from += was;
    return Array.from({ length: is }, (_, i) => i < was ? first + i : -1);
  });
}

/** A tensor of `name`, held to the number along one axis. */
function needed(tensors: Tensors, name: string, axis: number, size: number): Tensor {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  if (tensor === undefined) throw new InvalidValueError(name, undefined, "a tensor");
  if (tensor.shape[axis] === size) return tensor;
  throw new InvalidValueError(`${name}.shape[${axis}]`, tensor.shape[axis], `${size}`);
}

function widenColumns(tensors: Tensors, name: string, stretches: readonly Stretch[]): Tensor {
  const { shape, data } = needed(tensors, name, 1, total(stretches, 0));
  const [rows, was] = shape as [number, number];
  const places = placesOf(stretches);
  const out = new Float32Array(rows * places.length);
  for (let row = 0; row < rows; row++) {
    places.forEach((place, i) => {
      if (place >= 0) out[row * places.length + i] = data[row * was + place]!;
    });
  }
  return tensorOf([rows, places.length], out);
}

function widenRows(
  tensors: Tensors,
  name: string,
  stretches: readonly Stretch[],
  fill: number,
): Tensor {
  const { shape, data } = needed(tensors, name, 0, total(stretches, 0));
  const width = shape[1] ?? 1;
  const places = placesOf(stretches);
  const out = new Float32Array(places.length * width).fill(fill);
  places.forEach((place, row) => {
    if (place < 0) return;
    out.set(data.subarray(place * width, (place + 1) * width), row * width);
  });
  return tensorOf([places.length, ...shape.slice(1)], out);
}

/**
 * Tensors of version 1 as version 2 has them.
 *
 * @throws {InvalidValueError} one is missing or of a size that version 1 does not have
 */
export function widenWeights(tensors: Tensors): Record<string, Tensor> {
  return {
    ...tensors,
    "input.weight": widenColumns(tensors, "input.weight", TOKEN),
    "decoder.lead.weight": widenColumns(tensors, "decoder.lead.weight", LEAD),
    "decoder.out.weight": widenRows(tensors, "decoder.out.weight", OUT, 0),
    "decoder.out.bias": widenRows(tensors, "decoder.out.bias", OUT, LOGIT_ASLEEP),
  };
}

/** The same weights with every sleeping anchor's bias at {@linkcode LOGIT_AWAKE}. */
export function wakeAnchors(tensors: Tensors): Record<string, Tensor> {
  const { shape, data } = tensors["decoder.out.bias"]!;
  const woken = data.map((bias, i) => i < ANCHORS && bias === LOGIT_ASLEEP ? LOGIT_AWAKE : bias);
  return { ...tensors, "decoder.out.bias": tensorOf(shape, woken) };
}
