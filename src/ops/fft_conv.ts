/**
 * Causal long convolution by FFT: how S4-family layers apply a kernel as long as the sequence.
 *
 *   y[k] = Σ_{j ≤ k} kernel[j]·u[k − j] + D·u[k]
 *
 * Both are padded to a power of two of at least length + taps − 1, so that the circular
 * convolution is the causal one. Two sequences share one complex transform (one is the real part,
 * the other the imaginary part; the kernel is real, so they stay apart).
 *
 * On a GPU a transform of up to 1024 points runs in one workgroup. A longer one of R·C points is
 * split into columns and rows (Bailey 1990, "FFTs in external or hierarchical memory", the
 * four-step form): transform the columns, turn by exp(−2πi·rc/(R·C)), transform the rows. The
 * transposed order that results is kept, since the inverse undoes it.
 *
 * Tolerance: FFT rounding grows as log n; relative to the largest output 1e-5.
 */
import { InvalidValueError } from "../base/errors.ts";
import type { GpuLimits } from "../device/device.ts";
import { expectAxis, expectRank, expectShape, type Shape } from "../tensor/shape.ts";
import type { FloatArray } from "../tensor/tensor.ts";
import { constant, denormal, normal } from "./_helpers/cases.ts";
import { fftInPlace, twiddles } from "./_helpers/fft.ts";
import { groupsFor, powerOfTwoAtLeast } from "./_helpers/plan.ts";
import { columnSums, joinPlans } from "./_helpers/reduce.ts";
import {
  type Backward,
  defineOp,
  type LaunchPlan,
  type Named,
  type OpCase,
  type Pass,
} from "./op.ts";

/** `fft_conv` takes no parameters. */
export type FftConvParams = Record<string, never>;

type Shapes = Named<"u" | "kernel", "D", Shape>;

/** Longest transform: 1024 rows of 1024. */
export const FFT_POINTS_MAX = 1 << 20;

function outputShapes(shapes: Shapes): { y: Shape } {
  expectRank("u", 3, shapes.u);
  expectRank("kernel", 2, shapes.kernel);
  const [, length, feature] = shapes.u as [number, number, number];
  expectAxis("kernel.feature", feature, shapes.kernel[0]);
  if (shapes.D) expectShape("D", ["feature"], [feature], shapes.D);
  if (pointsOf(shapes) > FFT_POINTS_MAX) {
    throw new InvalidValueError("u.length", length, `a transform of at most ${FFT_POINTS_MAX}`);
  }
  return { y: shapes.u };
}

/** Points of the transform; taps beyond the length cannot reach an output. */
function pointsOf(shapes: Shapes): number {
  const length = shapes.u[1]!;
  const taps = Math.min(shapes.kernel[1]!, length);
  return powerOfTwoAtLeast(Math.max(1, length + taps - 1));
}

/**
 * The twin.
 *
 *   u       input   [batch, length, feature]
 *   kernel          [feature, taps]
 *   D       skip    [feature]
 *   y       output  [batch, length, feature]
 */
function cpu(
  inputs: Named<"u" | "kernel", "D", FloatArray>,
  outputs: { readonly y: FloatArray },
  shapes: Shapes,
): void {
  const { u, kernel, D } = inputs;
  const [batch, length, feature] = shapes.u as [number, number, number];
  const taps = Math.min(shapes.kernel[1]!, length);
  const n = pointsOf(shapes);
  const table = twiddles(n);
  const kernelRe = new Float64Array(n);
  const kernelIm = new Float64Array(n);
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  for (let d = 0; d < feature; d++) {
    kernelRe.fill(0);
    kernelIm.fill(0);
    for (let j = 0; j < taps; j++) kernelRe[j] = kernel[d * shapes.kernel[1]! + j]! / n;
    fftInPlace(kernelRe, kernelIm, table, false);
    const skip = D ? D[d]! : 0;
    for (let b = 0; b < batch; b += 2) {
      const first = b * length * feature + d;
      const second = first + length * feature;
      const paired = b + 1 < batch;
      re.fill(0);
      im.fill(0);
      for (let k = 0; k < length; k++) {
        re[k] = u[first + k * feature]!;
        if (paired) im[k] = u[second + k * feature]!;
      }
      fftInPlace(re, im, table, false);
      for (let k = 0; k < n; k++) {
        const r = re[k]! * kernelRe[k]! - im[k]! * kernelIm[k]!;
        im[k] = re[k]! * kernelIm[k]! + im[k]! * kernelRe[k]!;
        re[k] = r;
      }
      fftInPlace(re, im, table, true);
      for (let k = 0; k < length; k++) {
        const at = first + k * feature;
        outputs.y[at] = re[k]! + skip * u[at]!;
        if (paired) outputs.y[second + k * feature] = im[k]! + skip * u[second + k * feature]!;
      }
    }
  }
}

/** Points that one workgroup transforms: two buffers of complex f32 make 16 KiB. */
const ROW_POINTS_MAX = 1024;
const FFT_GROUP = 128;

/** exp(−2πi·k/n) for k < n, complex f32. */
function twiddleTable(n: number): Float32Array {
  const table = new Float32Array(2 * n);
  for (let k = 0; k < n; k++) {
    table[2 * k] = Math.cos(2 * Math.PI * k / n);
    table[2 * k + 1] = -Math.sin(2 * Math.PI * k / n);
  }
  return table;
}

function launch(shapes: Shapes, _params: FftConvParams, _limits: GpuLimits): LaunchPlan {
  return convolution(shapes, "forward", ["u", "kernel", "D", "y"]);
}

/**
 * One of the three convolutions of the op:
 *
 *   forward    y = kernel * u + D·u
 *   reversed   the same with time running backwards on both sides: gradU from gradY
 *   correlate  each sequence of gradY, reversed, with its own sequence of u: the gradient of the
 *              kernel for one row of the batch, [batch, feature, taps]
 *
 * @param names  the tensors bound to u, kernel, D and y
 */
function convolution(
  shapes: Shapes,
  mode: "forward" | "reversed" | "correlate",
  names: readonly [string, string, string, string],
): Pick<LaunchPlan, "scratch" | "tables" | "passes"> {
  const [batch, length] = shapes.u as [number, number, number];
  const correlates = mode === "correlate";
  // A correlation has as many pairs of sequences as the batch has features.
  const feature = shapes.u[2]! * (correlates ? batch : 1);
  const taps = correlates ? length : Math.min(shapes.kernel[1]!, length);
  const points = correlates ? powerOfTwoAtLeast(2 * length - 1) : pointsOf(shapes);
  const [u, kernel, D, y] = names;
  // A length of n points is `rows` rows of `columns`; the columns' transform has `rows` points.
  const columns = Math.min(points, ROW_POINTS_MAX);
  const rows = points / columns;
  const pairs = correlates ? 1 : groupsFor(batch, 2);
  const constants = {
    COLUMNS: columns,
    ROWS: rows,
    COLUMN_STAGES: Math.log2(columns),
    ROW_STAGES: Math.log2(rows),
    GROUP: FFT_GROUP,
    SPLIT: rows > 1 ? 1 : 0,
    HAS_D: shapes.D && !correlates ? 1 : 0,
    REVERSED: mode === "forward" ? 0 : 1,
    CORRELATE: correlates ? 1 : 0,
  };
  const width = shapes.u[2]!;
  const dims = { batch, length, feature: width, taps, kernelTaps: shapes.kernel[1]!, pairs };
  // A workgroup takes a row of `columns` points, or as many columns as make so many points: either
  // way there are `rows` workgroups.
  const pass = (entry: string, bindings: string[], z: number): Pass => ({
    entry,
    constants,
    dims,
    bindings: [...bindings, "twiddle"],
    workgroups: [rows, feature, z],
  });
  const skip = constants.HAS_D === 1 ? [`D=${D}`] : [];
  const [from, by, to] = [`u=${u}`, `kernel=${kernel}`, `y=${y}`];
  const passes = rows === 1
    ? [
      pass("kernel_rows", [by, "spectrum"], 1),
      pass("convolve_rows", [from, "spectrum", ...skip, to], pairs),
    ]
    : [
      pass("kernel_columns", [by, "spectrum"], 1),
      pass("kernel_rows", ["spectrum"], 1),
      pass("signal_columns", [from, "signal"], pairs),
      pass("convolve_rows", ["spectrum", "signal"], pairs),
      pass("output_columns", [from, "signal", ...skip, to], pairs),
    ];
  const signal = rows === 1 ? {} : { signal: 2 * points * feature * pairs };
  return {
    scratch: { spectrum: 2 * points * feature, ...signal },
    tables: { twiddle: { key: `fft_conv/${points}`, make: () => twiddleTable(points) } },
    passes,
  };
}

/** A sequence's samples, the last first. */
function reversedInto(out: Float64Array, data: FloatArray, first: number, stride: number): void {
  const length = out.length;
  for (let k = 0; k < length; k++) out[length - 1 - k] = data[first + k * stride]!;
}

/**
 *   gradU[k] = Σ_j kernel[j]·gradY[k + j] + D·gradY[k]
 *   gradKernel[j] = Σ_b Σ_k gradY[k + j]·u[k]        gradD = Σ gradY·u
 *
 * Correlations, which are convolutions with one side's time reversed.
 */
const backward: Backward<FftConvParams, "u" | "kernel", "D", "y"> = {
  needs: ["u", "kernel", "D"],
  cpu({ u, kernel, D, gradY }, { gradU, gradKernel, gradD }, shapes) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const allTaps = shapes.kernel[1]!;
    const taps = Math.min(allTaps, length);
    const reversed = new Float64Array(length);
    const sums = new Float64Array(gradKernel!.length);
    const skips = new Float64Array(feature);
    const input = new Float64Array(length);
    for (let d = 0; d < feature; d++) {
      const row = Float64Array.from(kernel!.subarray(d * allTaps, d * allTaps + taps));
      for (let b = 0; b < batch; b++) {
        const first = b * length * feature + d;
        reversedInto(reversed, gradY!, first, feature);
        for (let k = 0; k < length; k++) input[k] = u![first + k * feature]!;
        const back = convolveReal(reversed, row);
        const products = convolveReal(reversed, input);
        for (let k = 0; k < length; k++) {
          const at = first + k * feature;
          gradU![at] = back[length - 1 - k]! + (D ? D[d]! * gradY![at]! : 0);
          skips[d]! += gradY![at]! * input[k]!;
        }
        for (let j = 0; j < taps; j++) sums[d * allTaps + j]! += products[length - 1 - j]!;
      }
    }
    gradKernel!.set(sums);
    gradD?.set(skips);
  },
  launch(shapes) {
    const [batch, length, feature] = shapes.u as [number, number, number];
    const columns = feature * shapes.kernel[1]!;
    const back = apart(
      convolution(shapes, "reversed", ["gradY", "kernel", "D", "gradU"]),
      "Back",
    );
    const products = apart(
      convolution(shapes, "correlate", ["gradY", "u", "D", "products"]),
      "Products",
    );
    const skip = { target: "gradD", left: "gradY", right: "u", columns: feature };
    const plan = joinPlans(
      back,
      products,
      { scratch: { products: batch * columns }, passes: [] },
      columnSums({ target: "gradKernel", left: "products", rows: batch, columns }),
      ...(shapes.D ? [columnSums({ ...skip, rows: batch * length })] : []),
    );
    return { ...plan, tables: { ...back.tables, ...products.tables } };
  },
  tolerance: 2e-5,
};

/** A plan whose scratch and tables have names of their own, so that two fit into one. */
function apart(plan: LaunchPlan, suffix: string): LaunchPlan {
  const own = new Set([...Object.keys(plan.scratch), ...Object.keys(plan.tables ?? {})]);
  const renamed = <T>(entries: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(entries).map(([name, value]) => [name + suffix, value]));
  return {
    scratch: renamed(plan.scratch),
    tables: renamed(plan.tables ?? {}),
    passes: plan.passes.map((pass) => ({
      ...pass,
      bindings: pass.bindings.map((name) => own.has(name) ? `${name}=${name}${suffix}` : name),
    })),
  };
}

/** The first `a.length` values of a * b. */
function convolveReal(a: Float64Array, b: Float64Array): Float64Array {
  const n = powerOfTwoAtLeast(Math.max(1, a.length + b.length - 1));
  const table = twiddles(n);
  const re = new Float64Array(n);
  const im = new Float64Array(n);
  const otherRe = new Float64Array(n);
  const otherIm = new Float64Array(n);
  re.set(a);
  otherRe.set(b);
  fftInPlace(re, im, table, false);
  fftInPlace(otherRe, otherIm, table, false);
  for (let k = 0; k < n; k++) {
    const r = (re[k]! * otherRe[k]! - im[k]! * otherIm[k]!) / n;
    im[k] = (re[k]! * otherIm[k]! + im[k]! * otherRe[k]!) / n;
    re[k] = r;
  }
  fftInPlace(re, im, table, true);
  return re.subarray(0, a.length);
}

type Case = OpCase<FftConvParams, "u" | "kernel", "D">;

function convolved(name: string, u: Shape, taps: number, quick = false): Case {
  return {
    name,
    quick,
    params: {},
    inputs: (random) => ({
      u: normal(random, u),
      kernel: normal(random, [u[2]!, taps], 0.3),
      D: normal(random, [u[2]!]),
    }),
  };
}

const cases: readonly Case[] = [
  convolved("one sample", [2, 1, 3], 1),
  convolved("less than a power of two", [2, 31, 2], 31),
  convolved("a power of two", [2, 32, 2], 32),
  convolved("one more, odd batch", [3, 33, 2], 33, true),
  convolved("short kernel", [1, 100, 3], 5),
  convolved("kernel longer than the input", [1, 20, 3], 50),
  convolved("split into rows", [1, 600, 2], 600),
  convolved("split further", [3, 1500, 1], 1500),
  {
    name: "no skip",
    params: {},
    inputs: (random) => ({ u: normal(random, [1, 65, 2]), kernel: normal(random, [2, 65]) }),
  },
  {
    name: "zeros and denormals",
    params: {},
    inputs: (random) => ({ u: denormal(random, [1, 9, 2]), kernel: constant([2, 9], 0) }),
  },
];

/** Causal long convolution; equation and shapes at the head of this file. */
export const fftConv = defineOp<FftConvParams, "u" | "kernel", "D", "y">({
  name: "fft_conv",
  inputs: ["u", "kernel"],
  optional: ["D"],
  outputs: ["y"],
  outputShapes,
  cpu,
  launch,
  work: (shapes) => {
    const points = pointsOf(shapes);
    return shapes.u[0]! * shapes.u[2]! * points * Math.log2(2 * points);
  },
  sized: (work) => {
    // Lengths of half a power of two, so that the transform is as long as it must be.
    let points = 2;
    while (points < FFT_POINTS_MAX / 2 && 4 * 4 * points * Math.log2(4 * points) <= work) {
      points *= 2;
    }
    return convolved(`${work} butterflies`, [2, points / 2, 2], points / 2);
  },
  cases,
  tolerance: 1e-5,
  backward,
});
