/** The ops between a layer's parameters and its systems as the plainest loops; see `_naive.ts`. */
import type { Tensor } from "../../src/tensor/tensor.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

function poles({ logDecay, frequency }: Inputs): Outputs {
  const lambda = [...logDecay!.data].flatMap((log, i) => [-Math.exp(log), frequency!.data[i]!]);
  return { lambda };
}

function stepSizes({ logDt, scale }: Inputs): Outputs {
  const rows = scale ? [...scale.data] : [1];
  return { dt: rows.flatMap((row) => [...logDt!.data].map((log) => row * Math.exp(log))) };
}

/** By name of the op. */
export const NAIVE_SYSTEMS: Readonly<Record<string, (inputs: Inputs, params: any) => Outputs>> = {
  poles,
  step_sizes: stepSizes,
};
