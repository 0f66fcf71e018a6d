/**
 * Selective copying: data tokens stand anywhere among noise, and must be said in order at the end.
 *
 *   input    0 0 5 0 2 0 0 7 … 15 15 15          0 noise, 1 to 14 data, 15 asks for the next one
 *   target                      5  2  7
 *
 * The gaps differ from example to example, so a filter that does not look at what it reads cannot
 * tell data from noise: the task separates selective from time-invariant systems. Gu and Dao (arXiv
 * 2312.00752), section 4.1.1: length 4096, 16 tokens in all, 16 data tokens. The length counts
 * the questions at the end too.
 */
import type { Task, TaskSetting } from "./task.ts";
import { checkNames, checkRange, examplesOf } from "./task.ts";
import { blank, drawDistinct, nextBelow, randomOf } from "./_helpers/draw.ts";

const VOCABULARY = 16;
const QUESTION = VOCABULARY - 1;
const SETTING: TaskSetting = { length: 4096, data: 16 };

function check(setting: TaskSetting): void {
  checkNames({ setting: SETTING }, setting);
  checkRange(setting, "data", 1, Math.floor(setting.length / 2));
}

/** Selective copying; see the head of this file. */
export const selectiveCopying: Task = {
  name: "selective-copying",
  title: "Selective copying",
  source: "arXiv 2312.00752, section 4.1.1; the length includes the questions",
  setting: SETTING,
  figure: { kind: "accuracy", chance: 1 / (VOCABULARY - 2) },
  shape(setting) {
    check(setting);
    return {
      input: { kind: "tokens", vocabulary: VOCABULARY },
      output: { kind: "classes", size: VOCABULARY, at: "positions" },
    };
  },
  open() {
    return Promise.resolve(examplesOf(check, (request) => {
      const { batch, setting } = request;
      const { length } = setting;
      const count = setting["data"]!;
      const random = randomOf(request);
      const [input, target, weight] = [0, 1, 2].map(() => blank([batch, length]));
      const places = length - count;
      for (let row = 0; row < batch; row++) {
        const at = row * length;
        const chosen = drawDistinct(random, places, count).sort();
        for (let i = 0; i < count; i++) {
          const token = 1 + nextBelow(random, VOCABULARY - 2);
          input!.data[at + chosen[i]!] = token;
          input!.data[at + places + i] = QUESTION;
          target!.data[at + places + i] = token;
          weight!.data[at + places + i] = 1;
        }
      }
      return { input: input!.tensor, target: target!.tensor, weight: weight!.tensor };
    }));
  },
};
