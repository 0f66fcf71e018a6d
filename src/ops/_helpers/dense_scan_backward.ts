/** The backward of `dense_scan`, as a twin and as passes; equations in that file. */
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, LaunchPlan, Named, Pass, Some } from "../op.ts";
import { groupsFor } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import { BACKWARD_CHUNK } from "./scan_backward.ts";

type Input = "u" | "A" | "B" | "C";
type OptionalInput = "D" | "x0";
type Shapes = Named<Input, OptionalInput, Shape>;

/** out[i] = Σ_j A[i, j]·x[j] + B[i]·u of system `s`. */
function stepInto(
  out: Float64Array,
  x: Float64Array,
  { A, B, u }: { readonly A: FloatArray; readonly B: FloatArray; readonly u: number },
  s: number,
): void {
  const n = x.length;
  for (let i = 0; i < n; i++) {
    const row = (s * n + i) * n;
    let sum = B[s * n + i]! * u;
    for (let j = 0; j < n; j++) sum += A[row + j]! * x[j]!;
    out[i] = sum;
  }
}

/** Gradients of all inputs: one feature of one row after another, forward and back again. */
export function denseScanBackward(
  given: Some<Input | OptionalInput | GradientOf<"y" | "state">, FloatArray>,
  gradients: Some<GradientOf<Input | OptionalInput>, FloatArray>,
  shapes: Shapes,
): void {
  const { D, x0, gradState } = given;
  const [u, A, B, C, gradY] = [given.u!, given.A!, given.B!, given.C!, given.gradY!];
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, channel, states] = shapes.C as [number, number, number];
  const perStep = shapes.A.length > 3;
  const sums = {
    A: new Float64Array(A.length),
    B: new Float64Array(B.length),
    C: new Float64Array(C.length),
    D: new Float64Array(feature * channel),
  };
  const x = Array.from({ length: length + 1 }, () => new Float64Array(states));
  for (let b = 0; b < batch; b++) {
    for (let d = 0; d < feature; d++) {
      const carried = (b * feature + d) * states;
      const indexOf = (k: number) => (b * length + k) * feature + d;
      for (let n = 0; n < states; n++) x[0]![n] = x0 ? x0[carried + n]! : 0;
      for (let k = 0; k < length; k++) {
        const at = indexOf(k);
        stepInto(x[k + 1]!, x[k]!, { A, B, u: u[at]! }, perStep ? at : d);
      }
      let flow = Float64Array.from(gradState!.subarray(carried, carried + states));
      for (let k = length - 1; k >= 0; k--) {
        const at = indexOf(k);
        const s = perStep ? at : d;
        let ofInput = 0;
        for (let m = 0; m < channel; m++) {
          const gradient = gradY[at * channel + m]!;
          const row = (d * channel + m) * states;
          for (let n = 0; n < states; n++) {
            flow[n]! += gradient * C[row + n]!;
            sums.C[row + n]! += gradient * x[k + 1]![n]!;
          }
          sums.D[d * channel + m]! += gradient * u[at]!;
          if (D) ofInput += gradient * D[d * channel + m]!;
        }
        const back = new Float64Array(states);
        for (let i = 0; i < states; i++) {
          const row = (s * states + i) * states;
          ofInput += B[s * states + i]! * flow[i]!;
          sums.B[s * states + i]! += flow[i]! * u[at]!;
          for (let j = 0; j < states; j++) {
            back[j]! += A[row + j]! * flow[i]!;
            sums.A[row + j]! += flow[i]! * x[k]![j]!;
          }
        }
        gradients.gradU![at] = ofInput;
        flow = back;
      }
      gradients.gradX0?.set(flow, carried);
    }
  }
  gradients.gradA!.set(sums.A);
  gradients.gradB!.set(sums.B);
  gradients.gradC!.set(sums.C);
  gradients.gradD?.set(sums.D);
}

/**
 * The passes on a GPU: the states at the chunks' starts, then every row from its last sample to its
 * first, chunk by chunk, each with its states found again; and the sums over the batch.
 *
 * @param forward  the scan's own pass
 */
export function denseBackwardPlan(forward: Pass, shapes: Shapes): LaunchPlan {
  const [batch, length, feature] = shapes.u as [number, number, number];
  const [, channel, states] = shapes.C as [number, number, number];
  const perStep = shapes.A.length > 3;
  const chunks = Math.max(1, groupsFor(length, BACKWARD_CHUNK));
  const rows = batch * feature;
  const steps = Math.min(BACKWARD_CHUNK, length);
  // A row of sums of one row of the batch: gradients of C, D and, of fixed systems, of B and A.
  const ofC = feature * channel * states;
  const ofD = feature * channel;
  const ofB = perStep ? 0 : feature * states;
  const stride = ofC + ofD + ofB * (1 + states);
  const named = (name: OptionalInput) => shapes[name] ? [name] : [];
  const pass = (entry: string, bindings: string[]): Pass => ({
    ...forward,
    entry,
    constants: { ...forward.constants, BACKWARD: 1, CHUNK: BACKWARD_CHUNK },
    dims: { ...forward.dims, chunks, stride },
    bindings,
  });
  const sum = (target: string, offset: number, columns: number) =>
    columnSums({ target, left: "sums", rows: batch, columns, stride, offset });
  return joinPlans(
    {
      scratch: {
        starts: rows * chunks * states,
        states: rows * (steps + 1) * states,
        flows: rows * Math.max(1, steps) * states,
        sums: batch * stride,
      },
      passes: [
        pass("keep_starts", ["u", "A", "B", ...named("x0"), "starts"]),
        pass("flow_back", [
          ...["u", "A", "B", "C", ...named("D"), "gradY", "gradState", "starts", "states", "flows"],
          ...["sums", "gradU", ...(perStep ? ["gradA", "gradB"] : [])],
          ...(shapes.x0 ? ["gradX0"] : []),
        ]),
      ],
    },
    sum("gradC", 0, ofC),
    ...(shapes.D ? [sum("gradD", ofC, ofD)] : []),
    ...(perStep ? [] : [sum("gradB", ofC + ofD, ofB), sum("gradA", ofC + ofD + ofB, ofB * states)]),
  );
}
