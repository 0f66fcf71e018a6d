/** Memories: LegS by matrix exponentials, a shared system by its indices; see `_naive.ts`. */
import { discretizeDense } from "../../src/ssm/discretize.ts";
import { hippoTransition } from "../../src/ssm/hippo.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** x_k = exp(A·s)·x_{k−1} + A⁻¹(exp(A·s) − I)·B·u_k over the logarithmic time s of each sample. */
export function legsScan(
  { u, dt, times, x0 }: Record<string, Tensor>,
  { state }: { readonly state: number },
): Record<string, number[]> {
  const [batch, length, feature] = u!.shape as [number, number, number];
  const { A, B } = hippoTransition("legs", state);
  const coefficients: number[] = [];
  const last: number[] = [];
  for (let b = 0; b < batch; b++) {
    const rows = Array.from(
      { length: feature },
      (_, d) =>
        Array.from({ length: state }, (_, n) => x0?.data[(b * feature + d) * state + n] ?? 0),
    );
    for (let k = 0; k < length; k++) {
      const share = dt!.data[k * batch + b]! / times!.data[k * batch + b]!;
      const step = { method: "zoh", stateSize: state, dt: -Math.log1p(-share) } as const;
      const { Abar, Bbar } = discretizeDense(A, B, step);
      for (let d = 0; d < feature; d++) {
        const before = rows[d]!;
        const input = u!.data[(b * length + k) * feature + d]!;
        rows[d] = before.map((_, n) =>
          before.reduce((sum, value, m) => sum + Abar[n * state + m]! * value, Bbar[n]! * input)
        );
        coefficients.push(...rows[d]!);
      }
    }
    last.push(...rows.flat());
  }
  return { coefficients, state: last };
}

/** x_k[d] = A_k·x_{k−1}[d] + B_k·u_k[d] */
export function sharedScan(
  { u, A, B, x0 }: Record<string, Tensor>,
): Record<string, number[]> {
  const [batch, length, feature] = u!.shape as [number, number, number];
  const size = A!.shape.at(-1)!;
  const states: number[] = [];
  const state: number[] = [];
  for (let b = 0; b < batch; b++) {
    let rows = Array.from(
      { length: feature },
      (_, d) => Array.from({ length: size }, (_, n) => x0?.data[(b * feature + d) * size + n] ?? 0),
    );
    for (let k = 0; k < length; k++) {
      const system = A!.shape.length > 2 ? b * length + k : 0;
      rows = rows.map((before, d) =>
        before.map((_, i) =>
          before.reduce(
            (sum, value, j) => sum + A!.data[(system * size + i) * size + j]! * value,
            B!.data[system * size + i]! * u!.data[(b * length + k) * feature + d]!,
          )
        )
      );
      states.push(...rows.flat());
    }
    state.push(...rows.flat());
  }
  return { states, state };
}
