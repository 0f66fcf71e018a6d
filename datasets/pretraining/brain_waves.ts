import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, normals, wholeBetween } from "./_helpers/draw.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { powerLaw, roughProcess } from "./_helpers/process.ts";
import { addInto, momentsOf, standardizeInto } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/** Bands of brain waves in Hz: delta, theta, alpha, beta, gamma. */
const BANDS: readonly (readonly [number, number])[] = [[1, 4], [4, 8], [8, 12], [13, 30], [30, 60]];

/** A band of waves that comes and goes: a noisy rotation under a slow envelope. */
function waves(random: RandomState, length: number, period: number): Float64Array {
  const turn = 2 * Math.PI / period;
  const damping = Math.exp(-turn * logBetween(random, 0.01, 0.15));
  const [c, s] = [damping * Math.cos(turn), damping * Math.sin(turn)];
  const push = Math.sqrt(1 - damping * damping);
  const envelope = roughProcess(random, length, period * between(random, 5, 30));
  const isBursting = chance(random, 0.5);
  const out = new Float64Array(length);
  let x = nextNormal(random);
  let y = nextNormal(random);
  for (let i = 0; i < length; i++) {
    const next = c * x - s * y + push * nextNormal(random);
    y = s * x + c * y + push * nextNormal(random);
    x = next;
    const e = envelope[i]!;
    out[i] = x * (isBursting ? Math.max(0.1, Math.min(3, 0.3 + e)) : 1);
  }
  return out;
}

/** Blinks, jaw muscles and knocked electrodes. */
function artefacts(random: RandomState, out: Float64Array, rateHz: number): void {
  const length = out.length;
  for (let k = wholeBetween(random, 1, 5); k > 0; k--) {
    const from = Math.floor(nextUniform(random) * length);
    const width = rateHz * between(random, 0.05, 0.4);
    const height = between(random, 2, 12) * (chance(random, 0.7) ? 1 : -1);
    const isStep = chance(random, 0.2);
    const until = Math.min(length, Math.ceil(from + 5 * width));
    for (let i = from; i < until; i++) {
      const t = (i - from) / width;
      out[i]! += height * (isStep ? Math.exp(-t) : t * Math.exp(1 - t));
    }
  }
}

/** EEG-like: a 1/f ground, bands that burst, the mains' hum, drift, blinks, coarse steps. */
export const brainWaves: Generator = {
  name: "brain-waves",
  summary: "EEG-like textures: a 1/f ground with bursts of alpha and other bands, mains hum, " +
    "blinks, slow drift and quantization",
  draw(random: RandomState, length: number): Draft {
    const rateHz = logBetween(random, 60, 512);
    const out = powerLaw(random, length, between(random, 0.5, 2.4));
    for (let k = wholeBetween(random, 1, 3); k > 0; k--) {
      const [low, high] = BANDS[chance(random, 0.5) ? 2 : wholeBetween(random, 0, 4)]!;
      const period = rateHz / between(random, low, high);
      if (period > 2.5) {
        addInto(out, waves(random, length, period), logBetween(random, 0.1, 2));
      }
    }
    if (chance(random, 0.4)) {
      const turn = 2 * Math.PI * (chance(random, 0.5) ? 50 : 60) / rateHz;
      const gain = logBetween(random, 0.02, 1);
      for (let i = 0; i < length; i++) out[i]! += gain * Math.sin(turn * i);
    }
    addInto(out, normals(random, length), logBetween(random, 0.02, 0.6));
    standardizeInto(out);
    if (chance(random, 0.35)) artefacts(random, out, rateHz);
    if (chance(random, 0.4)) {
      roundInto(out, momentsOf(out).deviation * logBetween(random, 0.02, 0.3));
    }
    return wholeDraft(out);
  },
};
