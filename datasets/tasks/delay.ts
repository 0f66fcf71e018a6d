/**
 * Delay: say what the signal was `lag` samples ago, for every sample.
 *
 *   input    noise of unit variance, frequencies up to `cutoff` thousandths of a cycle a sample
 *   target   y[k] = u[k − lag],  counted from k = lag on
 *
 * The task of a memory: Gu et al., "How to Train Your HiPPO" (arXiv 2206.12037), section 4.1, there
 * with 4000 samples, a lag of 1000 and one layer of state 1024. HiPPO's systems hold the past as
 * coefficients of polynomials, and a system started at random does not.
 */
import type { Task, TaskSetting } from "./task.ts";
import { checkNames, checkRange, examplesOf } from "./task.ts";
import { blank, noiseInto, randomOf } from "./_helpers/draw.ts";

const SETTING: TaskSetting = { length: 1024, lag: 256, cutoff: 50 };

function check(setting: TaskSetting): void {
  checkNames({ setting: SETTING }, setting);
  checkRange(setting, "lag", 1, setting.length - 1);
  checkRange(setting, "cutoff", 1, 400);
}

/** Delay; see the head of this file. */
export const delay: Task = {
  name: "delay",
  title: "Delay of a signal",
  source: "arXiv 2206.12037, section 4.1, there with length 4000 and lag 1000",
  setting: SETTING,
  figure: { kind: "error", chance: 1 },
  shape(setting) {
    check(setting);
    return { input: { kind: "signal", feature: 1 }, output: { kind: "values", size: 1 } };
  },
  open() {
    return Promise.resolve(examplesOf(check, (request) => {
      const { batch, setting } = request;
      const { length } = setting;
      const lag = setting["lag"]!;
      const random = randomOf(request);
      const input = blank([batch, length, 1]);
      const target = blank([batch, length, 1]);
      const weight = blank([batch, length]);
      for (let row = 0; row < batch; row++) {
        const at = row * length;
        noiseInto(input.data, at, length, random, setting["cutoff"]! / 1000);
        target.data.set(input.data.subarray(at, at + length - lag), at + lag);
        weight.data.fill(1, at + lag, at + length);
      }
      return { input: input.tensor, target: target.tensor, weight: weight.tensor };
    }));
  },
};
