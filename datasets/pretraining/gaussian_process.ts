import { nextNormal, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, normals, pickIndex, wholeBetween } from "./_helpers/draw.ts";
import type { Draft, Generator } from "./generator.ts";
import {
  bellProcess,
  maternProcess,
  mixedScales,
  roughProcess,
  sumInto,
} from "./_helpers/process.ts";
import { phasesOf, seasonsOf } from "./_helpers/season.ts";
import { addInto, standardizeInto } from "./_helpers/series.ts";

/** One draw of a kernel, with the season it brings (0 = none). */
interface Part {
  readonly values: Float64Array;
  readonly season: number;
}

const plain = (values: Float64Array): Part => ({ values, season: 0 });

/**
 * A draw of the periodic kernel exp(−2·sin²(π·lag/season)/scale²), whose spectrum lies on the
 * harmonics with weights I_h(1/scale²)·exp(−1/scale²); the Bessel weights are near
 * exp(−h²·scale²/2) for the first few, which is what is used.
 */
function periodic(random: RandomState, length: number, season: number): Part {
  const scale = logBetween(random, 0.25, 2);
  const out = new Float64Array(length);
  const phases = phasesOf(random, length, season, null);
  for (let h = 1; h <= 12 && h <= season / 2; h++) {
    const weight = Math.exp(-h * h * scale * scale / 4);
    if (weight < 1e-3) break;
    const a = nextNormal(random) * weight;
    const b = nextNormal(random) * weight;
    // The phase moves by the same angle each slot: a rotation instead of a sine a slot.
    const turn = 2 * Math.PI * h / season;
    const c = Math.cos(turn);
    const s = Math.sin(turn);
    let x = Math.cos(2 * Math.PI * h * phases[0]!);
    let y = Math.sin(2 * Math.PI * h * phases[0]!);
    for (let i = 0; i < length; i++) {
      out[i]! += a * x + b * y;
      const next = c * x - s * y;
      y = s * x + c * y;
      x = next;
    }
  }
  return { values: standardizeInto(out), season };
}

/** A straight line or a parabola through the window: draws of the linear kernel and its square. */
function polynomial(random: RandomState, length: number): Float64Array {
  const centre = between(random, -0.5, 1.5);
  const bend = chance(random, 0.3) ? nextNormal(random) : 0;
  const slope = nextNormal(random);
  return Float64Array.from({ length }, (_, i) => {
    const t = i / length - centre;
    return 2 * (slope * t + bend * t * t);
  });
}

const KERNELS = ["periodic", "bell", "rough", "matern", "mixed", "linear", "white", "constant"];
const WEIGHTS = [5, 3, 2, 1.5, 1.5, 1.5, 2, 1];

function kernel(random: RandomState, length: number, season: number): Part {
  switch (KERNELS[pickIndex(random, WEIGHTS)]) {
    case "periodic":
      return periodic(random, length, season);
    case "bell":
      return plain(bellProcess(random, length, logBetween(random, 2, 600)));
    case "rough":
      return plain(
        chance(random, 0.4)
          ? standardizeInto(sumInto(normals(random, length)))
          : roughProcess(random, length, logBetween(random, 2, 600)),
      );
    case "matern":
      return plain(maternProcess(random, length, logBetween(random, 2, 400)));
    case "mixed":
      return plain(mixedScales(random, length, logBetween(random, 4, 200)));
    case "linear":
      return plain(polynomial(random, length));
    case "white": {
      const gain = logBetween(random, 0.03, 1);
      return plain(normals(random, length).map((x) => gain * x));
    }
    default:
      return plain(new Float64Array(length).fill(nextNormal(random)));
  }
}

/**
 * Draws of Gaussian processes whose kernels are sums and products of simple ones, as KernelSynth
 * does (Chronos, arXiv 2403.07815, algorithm 2), but by recursions along the series: the sum of
 * two draws is a draw of the sum; the product of two draws has the product as its covariance
 * (it is no longer Gaussian, which differs from the paper and costs O(length), not its cube).
 */
export const gaussianProcess: Generator = {
  name: "gaussian-process",
  summary: "sums and products of draws of periodic, smooth, rough, linear, white and constant " +
    "kernels",
  draw(random: RandomState, length: number): Draft {
    const [short, long] = seasonsOf(random);
    let { values, season } = kernel(random, length, short);
    let second = 0;
    for (let more = wholeBetween(random, 0, 4); more > 0; more--) {
      const isLong = season > 0 && long > 0 && long < length / 2;
      const part = kernel(random, length, isLong ? long : short);
      if (chance(random, 0.35)) {
        for (let i = 0; i < length; i++) values[i]! *= part.values[i]!;
      } else addInto(values, part.values, logBetween(random, 0.3, 2));
      if (season === 0) season = part.season;
      else if (part.season > season) second = part.season;
    }
    if (chance(random, 0.7)) {
      standardizeInto(values);
      addInto(values, normals(random, length), logBetween(random, 0.005, 0.4));
    }
    return { values, count: length, seasons: [season, second] };
  },
};
