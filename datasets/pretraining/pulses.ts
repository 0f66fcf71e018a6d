import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, logBetween, normals, wholeBetween } from "./_helpers/draw.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { bellProcess, roughProcess } from "./_helpers/process.ts";
import { addInto, momentsOf, standardizeInto } from "./_helpers/series.ts";
import { roundInto } from "./_helpers/transform.ts";

/** Bells of one beat: centre and width in beats, height. */
type Beat = readonly (readonly [number, number, number])[];

/** P, Q, R, S and T of a heart beat, each varied (after McSharry and others 2003, table 1). */
function heart(random: RandomState): Beat {
  const vary = (x: number, share: number) => x * (1 + share * nextNormal(random));
  const inverted = chance(random, 0.2) ? -1 : 1;
  return [
    [vary(0.2, 0.1), 0.028, vary(0.12, 0.5)],
    [0.365, 0.01, -Math.abs(vary(0.15, 0.6))],
    [0.39, vary(0.013, 0.2), vary(1, 0.2)],
    [0.42, 0.011, -Math.abs(vary(0.25, 0.7))],
    [vary(0.66, 0.06), vary(0.05, 0.2), vary(0.3, 0.5)],
  ].map(([a, b, c]) => [a!, Math.abs(b!), inverted * c!]);
}

/** A pressure wave, a breath or a machine's stroke: one to three broad bells. */
function stroke(random: RandomState): Beat {
  return Array.from({ length: wholeBetween(random, 1, 3) }, () => [
    between(random, 0.15, 0.85),
    logBetween(random, 0.03, 0.2),
    nextNormal(random) + 0.5,
  ]);
}

/** Adds one beat that starts at `from` (fractional) and lasts `span` slots. */
function beatInto(out: Float64Array, beat: Beat, from: number, span: number, gain: number): void {
  for (const [centre, width, height] of beat) {
    const middle = from + centre * span;
    const reach = 4 * width * span;
    const last = Math.min(out.length - 1, Math.floor(middle + reach));
    for (let i = Math.max(0, Math.ceil(middle - reach)); i <= last; i++) {
      const z = (i - middle) / (width * span);
      out[i]! += gain * height * Math.exp(-z * z / 2);
    }
  }
}

/** Beats whose interval wanders with breath and mood; now and then one comes early and odd. */
export const pulses: Generator = {
  name: "pulses",
  summary: "ECG-like beats, pulse pressure and breathing: intervals that vary, odd beats, a " +
    "wandering baseline, hum and muscle noise",
  draw(random: RandomState, length: number): Draft {
    const interval = logBetween(random, 18, 260);
    const beat = chance(random, 0.65) ? heart(random) : stroke(random);
    const odd = chance(random, 0.5) ? stroke(random) : heart(random);
    const oddShare = chance(random, 0.3) ? logBetween(random, 0.01, 0.15) : 0;
    const unrest = logBetween(random, 0.003, 0.08);
    const breath = chance(random, 0.6) ? between(random, 0, 0.06) : 0;
    const breathTurn = 2 * Math.PI / between(random, 3, 7);
    const out = new Float64Array(length);
    let drift = 0;
    let from = -interval * (1 + nextUniform(random));
    for (let k = 0; from < length; k++) {
      drift = 0.9 * drift + unrest * nextNormal(random);
      let span = interval * Math.max(0.4, 1 + drift + breath * Math.sin(breathTurn * k));
      const isOdd = chance(random, oddShare);
      if (isOdd) {
        from -= 0.25 * span;
        span *= 1.25;
      }
      beatInto(out, isOdd ? odd : beat, from, interval, 1 + 0.03 * nextNormal(random));
      from += span;
    }
    standardizeInto(out);
    if (chance(random, 0.7)) {
      addInto(
        out,
        bellProcess(random, length, interval * between(random, 0.8, 4)),
        logBetween(random, 0.03, 0.8),
      );
    }
    addInto(
      out,
      chance(random, 0.6) ? normals(random, length) : roughProcess(random, length, 2),
      logBetween(random, 0.01, 0.3),
    );
    if (chance(random, 0.5)) {
      roundInto(out, momentsOf(out).deviation * logBetween(random, 0.005, 0.1));
    }
    return wholeDraft(out, chance(random, 0.5) ? interval : 0);
  },
};
