import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { between, chance, exponential, logBetween, normals } from "./_helpers/draw.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { bellProcess, roughProcess } from "./_helpers/process.ts";
import { addInto, standardizeInto } from "./_helpers/series.ts";

/** A voice: harmonics of a pitch that glides and trembles, through a slow envelope. */
function voice(random: RandomState, length: number, period: number): Float64Array {
  const glide = bellProcess(random, length, logBetween(random, 50, 800));
  const bend = chance(random, 0.6) ? logBetween(random, 0.002, 0.1) : 0;
  const sweep = chance(random, 0.2) ? between(random, -0.6, 0.6) / length : 0;
  const count = Math.max(1, Math.min(6, Math.floor(period / 2.2)));
  const gains = Array.from({ length: count }, (_, h) => nextNormal(random) / (1 + h * 0.7));
  const tremble = 2 * Math.PI / logBetween(random, 20, 400);
  const depth = chance(random, 0.5) ? between(random, 0, 0.9) : 0;
  const out = new Float64Array(length);
  let phase = 2 * Math.PI * nextUniform(random);
  for (let i = 0; i < length; i++) {
    phase += 2 * Math.PI / period * Math.max(0.3, 1 + bend * glide[i]! + sweep * i);
    // sin(h·phase) by the recursion of Chebyshev.
    const twice = 2 * Math.cos(phase);
    let before = 0;
    let sine = Math.sin(phase);
    let sum = 0;
    for (let h = 0; h < count; h++) {
      sum += gains[h]! * sine;
      const next = twice * sine - before;
      before = sine;
      sine = next;
    }
    out[i] = sum * (1 + depth * Math.sin(tremble * i));
  }
  return standardizeInto(out);
}

/** Knocks that ring and die away, at even or random times: a bearing, a drum, a footstep. */
function knocks(random: RandomState, length: number): Float64Array {
  const every = logBetween(random, 15, 200);
  const isEven = chance(random, 0.6);
  const turn = 2 * Math.PI / logBetween(random, 3, 20);
  const damping = Math.exp(-1 / logBetween(random, 3, 60));
  const [c, s] = [damping * Math.cos(turn), damping * Math.sin(turn)];
  const out = new Float64Array(length);
  let left = every * nextUniform(random);
  let x = 0;
  let y = 0;
  for (let i = 0; i < length; i++) {
    let e = 0;
    if (--left <= 0) {
      e = 1 + 0.3 * nextNormal(random);
      left += isEven ? every * (1 + 0.02 * nextNormal(random)) : every * exponential(random);
    }
    const next = c * x - s * y + e;
    y = s * x + c * y;
    x = next;
    out[i] = x;
  }
  return standardizeInto(out);
}

/** Sound and vibration: voices, chords, chirps, knocks, hiss that swells. */
export const sound: Generator = {
  name: "sound",
  summary: "audio-like and vibration-like textures: gliding harmonic tones, chords, amplitude " +
    "modulation, chirps, ringing knocks, swelling noise",
  draw(random: RandomState, length: number): Draft {
    const period = logBetween(random, 4, 90);
    const out = new Float64Array(length);
    const isTonal = chance(random, 0.8);
    if (isTonal) addInto(out, voice(random, length, period));
    if (isTonal && chance(random, 0.35)) {
      addInto(out, voice(random, length, logBetween(random, 4, 90)), logBetween(random, 0.2, 1));
    }
    if (!isTonal || chance(random, 0.2)) addInto(out, knocks(random, length));
    if (chance(random, 0.4)) {
      const envelope = roughProcess(random, length, logBetween(random, 20, 300));
      for (let i = 0; i < length; i++) out[i]! *= Math.exp(0.5 * Math.min(3, envelope[i]!));
    }
    const hiss = chance(random, 0.5)
      ? normals(random, length)
      : roughProcess(random, length, logBetween(random, 1, 5));
    addInto(out, hiss, logBetween(random, 0.01, 0.8));
    return wholeDraft(out, isTonal && chance(random, 0.4) ? period : 0);
  },
};
