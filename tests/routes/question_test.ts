import { CHANNEL_COUNT_MAX } from "../../src/signal/segment.ts";
import assert from "node:assert/strict";
import { parseQuestion } from "../../routes/_question.ts";
import { InvalidValueError } from "../../src/base/errors.ts";
import { FORECAST_TIMES_MAX } from "../../src/streams/engine.ts";

Deno.test("parseQuestion() asks for the median and the bounds of 80 and 95 % by default", () => {
  const question = parseQuestion({});
  assert.deepEqual([...question.quantiles], [0.025, 0.1, 0.5, 0.9, 0.975]);
  assert.deepEqual(question.levels, [80, 95]);
  assert.equal(question.horizon, undefined);
});

Deno.test("parseQuestion() sorts, joins and takes text as well as numbers", () => {
  const question = parseQuestion({ quantiles: ["0.9", 0.1, "0.5"], levels: [50, "80"] });
  assert.deepEqual([...question.quantiles], [0.1, 0.25, 0.5, 0.75, 0.9]);
  const times = parseQuestion({ times: ["1970-01-01T00:00:01Z", 2000] });
  assert.deepEqual([...times.timesNs!], [1_000_000_000n, 2_000_000_000n]);
});

Deno.test("parseQuestion() names what is out of range", () => {
  const cases: [Parameters<typeof parseQuestion>[0], string][] = [
    [{ horizon: 0 }, "horizon"],
    [{ horizon: FORECAST_TIMES_MAX + 1 }, "horizon"],
    [{ times: [] }, "times"],
    [{ times: [1, "noon"] }, "times[1]"],
    [{ times: [5, 5] }, "times[1]"],
    [{ times: [5], horizon: 1 }, "times"],
    [{ quantiles: [0] }, "quantiles[0]"],
    [{ quantiles: ["1e999"] }, "quantiles[0]"],
    [{ quantiles: ["0x1"] }, "quantiles[0]"],
    [{ levels: [NaN] }, "level[0]"],
    [{ levels: Array(100).fill(80) }, "level"],
    [{ channels: [] }, "channel"],
    [{ channels: Array(CHANNEL_COUNT_MAX + 1).fill("a") }, "channel"],
  ];
  for (const [raw, field] of cases) {
    try {
      parseQuestion(raw);
    } catch (error) {
      assert.ok(error instanceof InvalidValueError, String(error));
      assert.equal(error.field, field);
      continue;
    }
    assert.fail(`accepted ${JSON.stringify(raw)}`);
  }
});
