/** The twin of the backward of `discretize_dense`; equations in that file. */
import { identity, multiply, solve, transpose } from "../../ssm/dense.ts";
import { matrixExponential } from "../../ssm/matrix_exponential.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { FloatArray } from "../../tensor/tensor.ts";
import type { GradientOf, Named, Some } from "../op.ts";

type Input = "A" | "B" | "dt";
type Output = "Abar" | "Bbar";

interface Params {
  readonly method: "gbt" | "zoh";
  readonly alpha: number;
}

/** Two matrices of equally many rows side by side. */
function beside(left: FloatArray, right: FloatArray, rows: number): Float64Array {
  const [a, b] = [left.length / rows, right.length / rows];
  const out = new Float64Array(rows * (a + b));
  for (let i = 0; i < rows; i++) {
    out.set(left.subarray(i * a, (i + 1) * a), i * (a + b));
    out.set(right.subarray(i * b, (i + 1) * b), i * (a + b) + a);
  }
  return out;
}

/** The gradient of dt·[A, B] through the generalised bilinear transform.   [state, state + 1] */
function bilinearBack(
  A: FloatArray,
  dt: number,
  alpha: number,
  made: { readonly Abar: FloatArray; readonly Bbar: FloatArray },
  gradient: Float64Array,
): Float64Array {
  const n = made.Bbar.length;
  const width = n + 1;
  const implicit = identity(n).map((value, i) => value - alpha * dt * A[i]!);
  const Y = solve(transpose(implicit, n, n), gradient, n, width);
  const Z = beside(made.Abar, made.Bbar, n);
  for (let i = 0; i < n; i++) Z[i * width + i]! -= 1;
  const out = Y.slice();
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += Y[i * width + c]! * Z[j * width + c]!;
      out[i * width + j]! += alpha * sum;
    }
  }
  return out;
}

/**
 * The same through the held input: the upper right block of exp([Xᵀ, G; 0, Xᵀ]), where X is the
 * augmented matrix and G the gradient over a row of zeros.
 */
function holdBack(
  A: FloatArray,
  B: FloatArray,
  dt: number,
  gradient: Float64Array,
): Float64Array {
  const n = B.length;
  const half = n + 1;
  const size = 2 * half;
  const block = new Float64Array(size * size);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < half; j++) {
      const value = dt * (j < n ? A[i * n + j]! : B[i]!);
      block[j * size + i] = value;
      block[(half + j) * size + half + i] = value;
      block[i * size + half + j] = gradient[i * half + j]!;
    }
  }
  const power = matrixExponential(block, size);
  const out = new Float64Array(n * half);
  for (let i = 0; i < n; i++) {
    out.set(power.subarray(i * size + half, (i + 1) * size), i * half);
  }
  return out;
}

/** What a longer step adds to [Abar, Bbar]: A·Abar and Abar·B.            [state, state + 1] */
function holdSlope(A: FloatArray, B: FloatArray, Abar: FloatArray): Float64Array {
  const n = B.length;
  const made = Float64Array.from(Abar);
  const ofAbar = multiply(Float64Array.from(A), made, n, n, n);
  return beside(ofAbar, multiply(made, Float64Array.from(B), n, n, 1), n);
}

/** Σ a·b. */
function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** Gradients of all inputs, system by system. */
export function discretizeDenseBackward(
  given: Some<Input | Output | GradientOf<Output>, FloatArray>,
  gradients: Some<GradientOf<Input>, FloatArray>,
  shapes: Named<Input, never, Shape>,
  { method, alpha }: Params,
): void {
  const [A, B, dt] = [given.A!, given.B!, given.dt!];
  const n = shapes.B[0]!;
  const width = n + 1;
  const system = beside(A, B, n);
  const sumA = new Float64Array(n * n);
  const sumB = new Float64Array(n);
  for (let s = 0; s < dt.length; s++) {
    const matrix = (array: FloatArray) => array.subarray(s * n * n, (s + 1) * n * n);
    const column = (array: FloatArray) => array.subarray(s * n, (s + 1) * n);
    const gradient = beside(matrix(given.gradAbar!), column(given.gradBbar!), n);
    const made = { Abar: matrix(given.Abar!), Bbar: column(given.Bbar!) };
    const g = method === "zoh"
      ? holdBack(A, B, dt[s]!, gradient)
      : bilinearBack(A, dt[s]!, alpha, made, gradient);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) sumA[i * n + j]! += dt[s]! * g[i * width + j]!;
      sumB[i]! += dt[s]! * g[i * width + n]!;
    }
    const isHold = method === "zoh";
    gradients.gradDt![s] = isHold ? dot(gradient, holdSlope(A, B, made.Abar)) : dot(g, system);
  }
  gradients.gradA!.set(sumA);
  gradients.gradB!.set(sumB);
}
