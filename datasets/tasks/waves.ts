/**
 * Waves: name the pattern of a noisy oscillation, sample by sample, as sequential digits are named
 * pixel by pixel.
 *
 *   u[k] = gain·envelope[k]·sin(phase[k]) + noise·e[k],   phase[k] − phase[k−1] = 2π·frequency[k]
 *
 * Ten classes: a steady tone; a frequency that rises, falls, rises and falls, falls and rises; two
 * tones, low first or high first; an envelope that swells slowly or fast; a tone whose phase turns
 * over once. Frequency, phase, gain and the instant of change are drawn anew for each
 * example from ranges that overlap, so that no short window tells the class. The form of the task
 * is that of sequential MNIST (Le et al., arXiv 1504.00941), 784 samples, one at a time.
 */
import { nextNormal, type RandomState } from "../../src/base/random.ts";
import type { Task, TaskSetting } from "./task.ts";
import { checkNames, checkRange, examplesOf } from "./task.ts";
import { blank, nextBelow, nextBetween, randomOf } from "./_helpers/draw.ts";

/** The classes, in the order of their numbers. */
export const WAVES = [
  "steady",
  "rising",
  "falling",
  "up-down",
  "down-up",
  "low-high",
  "high-low",
  "slow-swell",
  "fast-swell",
  "turned-over",
] as const;

type Wave = (typeof WAVES)[number];

/** Standard deviation of the noise beside an amplitude of 0.7 to 1.3, in hundredths. */
const SETTING: TaskSetting = { length: 784, noise: 50 };

function check(setting: TaskSetting): void {
  checkNames({ setting: SETTING }, setting);
  checkRange(setting, "length", 64, 65_536);
}

/** What is drawn for one example. Frequencies in cycles a sample; instants as shares of it. */
interface Draw {
  readonly base: number;
  readonly ratio: number;
  readonly instant: number;
  readonly swell: number;
}

/** Frequency at share `s` of the example. */
function frequencyAt(wave: Wave, { base, ratio, instant }: Draw, s: number): number {
  const top = base * ratio;
  switch (wave) {
    case "rising":
      return base + (top - base) * s;
    case "falling":
      return top + (base - top) * s;
    case "up-down":
      return base + (top - base) * (s < instant ? s / instant : (1 - s) / (1 - instant));
    case "down-up":
      return top + (base - top) * (s < instant ? s / instant : (1 - s) / (1 - instant));
    case "low-high":
      return s < instant ? base : top;
    case "high-low":
      return s < instant ? top : base;
    case "steady":
    case "slow-swell":
    case "fast-swell":
    case "turned-over":
      return base * Math.sqrt(ratio);
    default:
      return wave satisfies never;
  }
}

/** Envelope at share `s` of the example. */
function envelopeAt(wave: Wave, { swell, instant }: Draw, s: number): number {
  if (wave === "turned-over") return s < instant ? 1 : -1;
  if (wave !== "slow-swell" && wave !== "fast-swell") return 1;
  const turns = wave === "slow-swell" ? swell : 4 * swell;
  return 1 + 0.8 * Math.sin(2 * Math.PI * (turns * s + instant));
}

/** Writes one example. */
function waveInto(
  out: Float32Array,
  wave: Wave,
  random: RandomState,
  noise: number,
): void {
  const draw: Draw = {
    base: nextBetween(random, 0.01, 0.03),
    ratio: nextBetween(random, 1.8, 3),
    instant: nextBetween(random, 0.3, 0.7),
    swell: nextBetween(random, 1, 2),
  };
  const gain = nextBetween(random, 0.7, 1.3);
  let phase = nextBetween(random, 0, 2 * Math.PI);
  for (let k = 0; k < out.length; k++) {
    const s = k / out.length;
    phase += 2 * Math.PI * frequencyAt(wave, draw, s);
    out[k] = gain * envelopeAt(wave, draw, s) * Math.sin(phase) + noise * nextNormal(random);
  }
}

/** Waves; see the head of this file. */
export const waves: Task = {
  name: "waves",
  title: "Long classification of waves",
  source: "in the form of sequential MNIST, arXiv 1504.00941; the waves are this project's own",
  setting: SETTING,
  figure: { kind: "accuracy", chance: 1 / WAVES.length },
  shape(setting) {
    check(setting);
    return {
      input: { kind: "signal", feature: 1 },
      output: { kind: "classes", size: WAVES.length, at: "end" },
    };
  },
  open() {
    return Promise.resolve(examplesOf(check, (request) => {
      const { batch, setting: { length, ...setting } } = request;
      const random = randomOf(request);
      const input = blank([batch, length, 1]);
      const target = blank([batch]);
      const weight = blank([batch]);
      weight.data.fill(1);
      for (let row = 0; row < batch; row++) {
        const wave = nextBelow(random, WAVES.length);
        target.data[row] = wave;
        const out = input.data.subarray(row * length, (row + 1) * length);
        waveInto(out, WAVES[wave]!, random, setting["noise"]! / 100);
      }
      return { input: input.tensor, target: target.tensor, weight: weight.tensor };
    }));
  },
};
