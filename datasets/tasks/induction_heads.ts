/**
 * Induction heads: a sign stands once somewhere in a random text, and again at its end; to be said
 * is the token that followed the sign.
 *
 *   input    3 9 1 15 7 2 4 … 8 15          15 the sign; the target at the end is 7
 *
 * Gu and Dao (arXiv 2312.00752), section 4.1.2: 16 tokens, trained at length 256, tested up to
 * 2^20. The task asks for recall by content at any distance, whatever lies between.
 */
import type { Task, TaskSetting } from "./task.ts";
import { checkNames, checkRange, examplesOf } from "./task.ts";
import { blank, nextBelow, randomOf } from "./_helpers/draw.ts";

const VOCABULARY = 16;
const SIGN = VOCABULARY - 1;
const SETTING: TaskSetting = { length: 256 };

function check(setting: TaskSetting): void {
  checkNames({ setting: SETTING }, setting);
  checkRange(setting, "length", 3, 2 ** 20);
}

/** Induction heads; see the head of this file. */
export const inductionHeads: Task = {
  name: "induction-heads",
  title: "Induction heads",
  source: "arXiv 2312.00752, section 4.1.2",
  setting: SETTING,
  figure: { kind: "accuracy", chance: 1 / (VOCABULARY - 1) },
  shape(setting) {
    check(setting);
    return {
      input: { kind: "tokens", vocabulary: VOCABULARY },
      output: { kind: "classes", size: VOCABULARY, at: "positions" },
    };
  },
  open() {
    return Promise.resolve(examplesOf(check, (request) => {
      const { batch, setting: { length } } = request;
      const random = randomOf(request);
      const [input, target, weight] = [0, 1, 2].map(() => blank([batch, length]));
      for (let row = 0; row < batch; row++) {
        const at = row * length;
        for (let i = 0; i < length - 1; i++) input!.data[at + i] = nextBelow(random, SIGN);
        // The sign and what follows it lie before the last position.
        const sign = nextBelow(random, length - 2);
        input!.data[at + sign] = SIGN;
        input!.data[at + length - 1] = SIGN;
        target!.data[at + length - 1] = input!.data[at + sign + 1]!;
        weight!.data[at + length - 1] = 1;
      }
      return { input: input!.tensor, target: target!.tensor, weight: weight!.tensor };
    }));
  },
};
