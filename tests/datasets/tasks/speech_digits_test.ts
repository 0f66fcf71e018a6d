import assert from "node:assert/strict";
import { NotFoundError } from "../../../src/base/errors.ts";
import { hasSpeechDigits, speechDigits } from "../../../datasets/tasks/speech_digits.ts";

const ignore = !hasSpeechDigits();
const SETTING = { length: 8000, heldOut: 1 };

Deno.test("hasSpeechDigits() is false, and open() says so, where the folder is not", async () => {
  const before = Deno.env.get("DRIFTLINE_SHARED");
  Deno.env.set("DRIFTLINE_SHARED", "/no/such/folder");
  try {
    assert.equal(hasSpeechDigits(), false);
    await assert.rejects(speechDigits.open(), NotFoundError);
  } finally {
    if (before === undefined) Deno.env.delete("DRIFTLINE_SHARED");
    else Deno.env.set("DRIFTLINE_SHARED", before);
  }
});

Deno.test({
  name: "speech-digits tests each held-out recording once and none of them is trained on",
  ignore,
  fn: async () => {
    const draw = await speechDigits.open();
    const counts = [120, 120, 60];
    for (const [i, count] of counts.entries()) {
      const setting = { ...SETTING, heldOut: i + 1 };
      const test = draw({ seed: 0, step: 0, batch: 128, split: "test", setting });
      assert.equal([...test.weight.data].reduce((a, b) => a + b, 0), count);
      for (let digit = 0; digit < 10; digit++) {
        const found = [...test.target.data].filter((each, row) =>
          each === digit && test.weight.data[row] === 1
        );
        assert.equal(found.length, count / 10);
      }
      const beyond = draw({ seed: 0, step: 1, batch: 128, split: "test", setting });
      assert.ok(beyond.weight.data.every((weight) => weight === 0));
    }
  },
});

Deno.test({
  name: "speech-digits scales every recording to unit power and varies it in training",
  ignore,
  fn: async () => {
    const draw = await speechDigits.open();
    const { input } = draw({ seed: 0, step: 0, batch: 4, split: "test", setting: SETTING });
    for (let row = 0; row < 4; row++) {
      const samples = input.data.subarray(row * 8000, (row + 1) * 8000);
      const length = samples.findLastIndex((value) => value !== 0) + 1;
      const power = [...samples].reduce((sum, value) => sum + value * value, 0) / length;
      // The recording may end in zeros, which the length found here leaves out.
      assert.ok(Math.abs(power - 1) < 0.05, `power ${power}`);
    }
    const train = draw({ seed: 0, step: 0, batch: 300, split: "train", setting: SETTING });
    const rows = new Set<string>();
    for (let row = 0; row < 300; row++) {
      rows.add(train.input.data.subarray(row * 8000, row * 8000 + 8).join());
    }
    // More draws than the 120 recordings, and no two are the same.
    assert.equal(rows.size, 300);
  },
});
