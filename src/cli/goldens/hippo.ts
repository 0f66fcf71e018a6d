import { diagonalStart, isDiagonalStart } from "../../ssm/diagonal.ts";
import { hippoTransition, isHippoMeasure, type MeasureOptions } from "../../ssm/hippo.ts";
import { type NormalPlusLowRank, nplr } from "../../ssm/nplr.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, textOf } from "./golden_file.ts";
import type { GroupRunner } from "./group.ts";

/** Transition matrices, normal-plus-low-rank forms and the S4D starts. */
export const hippoGroup: GroupRunner = {
  group: "hippo",
  onGpu: false,
  run(golden) {
    if (golden.scalars["init"] !== undefined) return start(golden);
    if (golden.tensors.has("W")) return normalForm(golden);
    return transition(golden);
  },
};

/** The original HiPPO repository scales LegT twice as large, and names the measure in its call. */
function measureOf(golden: GoldenCase): string {
  if (golden.scalars["measure"] !== undefined) return textOf(golden, "measure");
  const call = golden.functions.join(" ").match(/op\.py:transition\('(\w+)'\)/);
  return call?.[1] === "legt" ? "legt_unhalved" : call?.[1] ?? "";
}

function transition(golden: GoldenCase): Computed {
  const measure = measureOf(golden);
  if (!isHippoMeasure(measure)) return { unsupported: `measure "${measure}"` };
  const options: MeasureOptions = {
    ...("alpha" in golden.scalars && { alpha: numberOf(golden, "alpha") }),
    ...("beta" in golden.scalars && { beta: numberOf(golden, "beta") }),
  };
  const { A, B } = hippoTransition(measure, numberOf(golden, "N"), options);
  return { values: { A, B } };
}

function normalForm(golden: GoldenCase): Computed {
  const measure = measureOf(golden);
  if (!isHippoMeasure(measure)) return { unsupported: `measure "${measure}"` };
  const stateSize = numberOf(golden, "N");
  const form = nplr(measure, stateSize, numberOf(golden, "rank", 1));
  const { W, P, B, V } = form;
  const derived = phaseFree(form, stateSize);
  return { values: { W, P, B, V, ...derived } };
}

/** What does not depend on the arbitrary phases of the eigenvectors. */
function phaseFree({ P, B, V, half, rank }: NormalPlusLowRank, stateSize: number) {
  const absB = new Float64Array(half);
  const absP = new Float64Array(rank * half);
  const conjugated = new Float64Array(2 * rank * half);
  const real = new Float64Array(rank * stateSize);
  for (let j = 0; j < half; j++) absB[j] = Math.hypot(B[2 * j]!, B[2 * j + 1]!);
  for (let r = 0; r < rank; r++) {
    for (let j = 0; j < half; j++) {
      const at = r * half + j;
      const pRe = P[2 * at]!, pIm = P[2 * at + 1]!;
      absP[at] = Math.hypot(pRe, pIm);
      conjugated[2 * at] = B[2 * j]! * pRe + B[2 * j + 1]! * pIm;
      conjugated[2 * at + 1] = B[2 * j + 1]! * pRe - B[2 * j]! * pIm;
      for (let n = 0; n < stateSize; n++) {
        const v = 2 * (n * half + j);
        real[r * stateSize + n] = real[r * stateSize + n]! + 2 * (V[v]! * pRe - V[v + 1]! * pIm);
      }
    }
  }
  return { absB, absP, B_conjP: conjugated, P_real: real };
}

/** The reference's longer names of the starts. */
const START_NAMES: Readonly<Record<string, string>> = {
  linear: "lin",
  inverse: "inv",
  inverse2: "inv2",
  quadratic: "quad",
};

function start(golden: GoldenCase): Computed {
  const named = textOf(golden, "init").replace(/^diag-/, "");
  const init = Object.hasOwn(START_NAMES, named) ? START_NAMES[named]! : named;
  if (!isDiagonalStart(init)) return { unsupported: `start "${init}"` };
  const { lambda, B } = diagonalStart(init, numberOf(golden, "N"));
  return { values: { A: lambda, B } };
}
