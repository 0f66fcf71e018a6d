/**
 * Multi-query associative recall: pairs of a key and its value come first, then, among random
 * tokens, every key once more; at each of these its value is to be said.
 *
 *   input    k3 v9 k1 v4 k7 v2 … r k1 r r k7 r k3 …          targets v4 at k1, v2 at k7, v9 at k3
 *
 * Arora et al., "Zoology" (arXiv 2312.04927), section 3 and appendix on the synthetic data: keys
 * are the first half of the vocabulary, values the second, questions lie nearer to the pairs with
 * a power law of exponent 0.01 − 1. The harder version of Dao and Gu (arXiv 2405.21060, section
 * 9.1): what is no question is a random token, and there are length/4 pairs. Theirs has 8192
 * tokens; here `vocabulary` sets it, and random tokens between the questions are values or
 * keys that no pair holds, so that every question has one answer.
 */
import { InvalidValueError } from "../../src/base/errors.ts";
import { nextUniform, type RandomState } from "../../src/base/random.ts";
import type { Task, TaskSetting } from "./task.ts";
import { checkNames, checkRange, examplesOf } from "./task.ts";
import { blank, drawDistinct, nextBelow, randomOf } from "./_helpers/draw.ts";

const SETTING: TaskSetting = { length: 256, pairs: 64, vocabulary: 8192 };

/** The share of the power law: density of a question at distance g is proportional to g^(a − 1). */
const POWER = 0.01;

/** The hash of ids stays exact in f32 far beyond this; tables of more rows are no use here. */
const VOCABULARY_MAX = 65_536;

function check(setting: TaskSetting): void {
  checkNames({ setting: SETTING }, setting);
  const { length } = setting;
  checkRange(setting, "pairs", 1, Math.floor(length / 3));
  checkRange(setting, "vocabulary", 4 * setting["pairs"]!, VOCABULARY_MAX);
  if (setting["vocabulary"]! % 2 !== 0) {
    throw new InvalidValueError("vocabulary", setting["vocabulary"], "an even number");
  }
}

/**
 * `count` different places below `total`, each drawn with a weight of its distance to the power
 * a − 1: the largest of u^(1/weight) (Efraimidis and Spirakis 2006, algorithm A).
 */
function drawPlaces(random: RandomState, total: number, count: number): number[] {
  const keys = Float64Array.from(
    { length: total },
    (_, place) => Math.log(1 - nextUniform(random)) * Math.pow(place + 1, 1 - POWER),
  );
  const places = Array.from(keys, (_, place) => place);
  return places.sort((a, b) => keys[b]! - keys[a]!).slice(0, count);
}

/** Multi-query associative recall; see the head of this file. */
export const associativeRecall: Task = {
  name: "associative-recall",
  title: "Multi-query associative recall",
  source: "arXiv 2312.04927, section 3; arXiv 2405.21060, section 9.1, there with 8192 tokens",
  setting: SETTING,
  figure: { kind: "accuracy", chance: 2 / 8192 },
  shape(setting) {
    check(setting);
    const vocabulary = setting["vocabulary"]!;
    return {
      input: { kind: "tokens", vocabulary },
      output: { kind: "classes", size: vocabulary, at: "positions" },
    };
  },
  open() {
    return Promise.resolve(examplesOf(check, (request) => {
      const { batch, setting } = request;
      const random = randomOf(request);
      const [input, target, weight] = [0, 1, 2].map(() => blank([batch, setting.length]));
      for (let row = 0; row < batch; row++) {
        const at = row * setting.length;
        const part = (data: Float32Array) => data.subarray(at, at + setting.length);
        exampleInto(part(input!.data), part(target!.data), part(weight!.data), random, setting);
      }
      return { input: input!.tensor, target: target!.tensor, weight: weight!.tensor };
    }));
  },
};

/** Writes one example. */
function exampleInto(
  input: Float32Array,
  target: Float32Array,
  weight: Float32Array,
  random: RandomState,
  setting: TaskSetting,
): void {
  const pairs = setting["pairs"]!;
  const half = setting["vocabulary"]! / 2;
  const keys = drawDistinct(random, half, half);
  const start = 2 * pairs;
  for (let i = start; i < setting.length; i++) {
    // A random token that asks nothing: a value, or a key beyond those of the pairs.
    const other = pairs + nextBelow(random, 2 * half - pairs);
    input[i] = other < half ? keys[other]! : other;
  }
  const places = drawPlaces(random, setting.length - start, pairs);
  for (let i = 0; i < pairs; i++) {
    const value = half + nextBelow(random, half);
    input[2 * i] = keys[i]!;
    input[2 * i + 1] = value;
    const place = start + places[i]!;
    input[place] = keys[i]!;
    target[place] = value;
    weight[place] = 1;
  }
}
