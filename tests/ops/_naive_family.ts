/** The ops of single members of the family as the plainest loops; see `_naive.ts`. */
import type { Tensor } from "../../src/tensor/tensor.ts";

type Inputs = Record<string, Tensor>;
type Outputs = Record<string, number[]>;

/** An element by its indices. */
function at(tensor: Tensor, ...index: number[]): number {
  return tensor.data[tensor.shape.reduce((sum, size, axis) => sum * size + index[axis]!, 0)]!;
}

function ssd({ u, delta, A, B, C, D, x0 }: Inputs): Outputs {
  const [batch, length, head, feature] = u!.shape as [number, number, number, number];
  const [, , group, states] = B!.shape as [number, number, number, number];
  const y = new Array<number>(u!.data.length).fill(NaN);
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < head; h++) {
      const g = Math.floor(h / (head / group));
      for (let p = 0; p < feature; p++) {
        const x = Array.from({ length: states }, (_, n) => x0 ? at(x0, b, h, p, n) : 0);
        for (let k = 0; k < length; k++) {
          const dt = at(delta!, b, k, h);
          const input = at(u!, b, k, h, p);
          let sum = D ? D.data[h]! * input : 0;
          for (let n = 0; n < states; n++) {
            const decay = Math.exp(A ? dt * A.data[h]! : dt);
            x[n] = decay * x[n]! + (A ? dt : 1) * input * at(B!, b, k, g, n);
            sum += at(C!, b, k, g, n) * x[n]!;
          }
          y[((b * length + k) * head + h) * feature + p] = sum;
        }
        state.push(...x);
      }
    }
  }
  return { y, state };
}

/** By name of the op. */
export const NAIVE_FAMILY: Readonly<Record<string, (inputs: Inputs, params: any) => Outputs>> = {
  ssd,
};
