import assert from "node:assert/strict";
import { InvalidValueError, NotFoundError } from "../../../src/base/errors.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { hasSpeechDigits, taskByName, TASKS, WAVES } from "../../../datasets/tasks/mod.ts";
import type { MinibatchRequest, Task } from "../../../datasets/tasks/mod.ts";
import { checkNames, checkRange, checkRequest } from "../../../datasets/tasks/task.ts";

/** Short settings, so that the tests of all tasks take a second. */
const SETTINGS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "selective-copying": { length: 40, data: 6 },
  "induction-heads": { length: 24 },
  "associative-recall": { length: 48, pairs: 8, vocabulary: 64 },
  delay: { length: 400, lag: 50, cutoff: 50 },
  waves: { length: 256, noise: 20 },
  "speech-digits": { length: 4000, heldOut: 1 },
};

function requestOf(task: Task, options: Partial<MinibatchRequest> = {}): MinibatchRequest {
  const setting = { ...task.setting, ...SETTINGS[task.name] };
  return { seed: 7, step: 3, batch: 5, split: "train", setting, ...options };
}

const whole = (values: Iterable<number>) => [...values].every(Number.isInteger);
const row = ({ shape, data }: Tensor, at: number) => {
  const size = data.length / shape[0]!;
  return [...data.subarray(at * size, (at + 1) * size)];
};

for (const task of TASKS) {
  const ignore = task.name === "speech-digits" && !hasSpeechDigits();

  Deno.test({
    name: `${task.name} draws minibatches of its shape`,
    ignore,
    fn: async () => {
      const request = requestOf(task);
      const { input, output } = task.shape(request.setting);
      const minibatch = (await task.open())(request);
      const { batch, setting: { length } } = request;
      const isTokens = input.kind === "tokens";
      assert.deepEqual(
        minibatch.input.shape,
        isTokens ? [batch, length] : [batch, length, input.feature],
      );
      if (isTokens) {
        assert.ok(whole(minibatch.input.data));
        assert.ok(minibatch.input.data.every((id) => id >= 0 && id < input.vocabulary));
      }
      assert.ok(minibatch.input.data.every(Number.isFinite));
      const isAtEnd = output.kind === "classes" && output.at === "end";
      assert.deepEqual(minibatch.weight.shape, isAtEnd ? [batch] : [batch, length]);
      assert.ok(minibatch.weight.data.every((weight) => weight === 0 || weight === 1));
      assert.ok(minibatch.weight.data.some((weight) => weight === 1));
      if (output.kind === "values") {
        assert.deepEqual(minibatch.target.shape, [batch, length, output.size]);
      } else {
        assert.deepEqual(minibatch.target.shape, minibatch.weight.shape);
        assert.ok(whole(minibatch.target.data));
        assert.ok(minibatch.target.data.every((id) => id >= 0 && id < output.size));
      }
    },
  });

  Deno.test({
    name: `${task.name} draws the same for the same request, and else other examples`,
    ignore,
    fn: async () => {
      const draw = await task.open();
      const first = draw(requestOf(task));
      assert.deepEqual(draw(requestOf(task)), first);
      assert.deepEqual((await task.open())(requestOf(task)), first);
      const others = [{ seed: 8 }, { step: 4 }, { split: "test" as const }];
      for (const other of others) {
        assert.notDeepEqual(draw(requestOf(task, other)).input, first.input);
      }
    },
  });

  Deno.test(`${task.name} refuses settings it does not know`, () => {
    const { setting } = requestOf(task);
    assert.throws(() => task.shape({ ...setting, colour: 1 }), { field: "colour" });
    assert.throws(() => task.shape({ ...setting, length: 0 }), InvalidValueError);
    assert.throws(() => task.shape({ ...setting, length: 8.5 }), InvalidValueError);
  });

  Deno.test(`${task.name} has a setting of its own that it accepts`, () => {
    assert.ok(task.shape(task.setting));
    assert.match(task.source, /arXiv \d{4}\.\d{5}/);
  });
}

Deno.test("taskByName() names what it did not find", () => {
  assert.equal(taskByName("delay").name, "delay");
  assert.throws(() => taskByName("no-such"), NotFoundError);
});

Deno.test("checkNames() and checkRange() name the number at fault", () => {
  const task = { setting: { length: 8, data: 2 } };
  checkNames(task, { length: 4, data: 1 });
  assert.throws(() => checkNames(task, { length: 4 }), { field: "data" });
  assert.throws(() => checkRange({ length: 9 }, "length", 1, 8), { field: "length", value: "9" });
});

Deno.test("checkRequest() refuses a batch of none and a step before the first", () => {
  const request = requestOf(TASKS[0]!);
  checkRequest(request);
  assert.throws(() => checkRequest({ ...request, batch: 0 }), { field: "batch" });
  assert.throws(() => checkRequest({ ...request, step: -1 }), { field: "step" });
});

Deno.test("selective-copying asks for its data in their order, at the end", async () => {
  const task = taskByName("selective-copying");
  const minibatch = (await task.open())(requestOf(task, { batch: 20 }));
  const places = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const input = row(minibatch.input, i);
    const data = input.slice(0, 34).filter((token) => token !== 0);
    assert.deepEqual(input.slice(34), Array(6).fill(15));
    assert.deepEqual(row(minibatch.target, i).slice(34), data);
    assert.deepEqual(row(minibatch.weight, i), [...Array(34).fill(0), ...Array(6).fill(1)]);
    places.add(input.slice(0, 34).map(Boolean).join());
  }
  assert.equal(places.size, 20);
});

Deno.test("induction-heads asks for what followed the sign", async () => {
  const task = taskByName("induction-heads");
  const minibatch = (await task.open())(requestOf(task, { batch: 50 }));
  for (let i = 0; i < 50; i++) {
    const input = row(minibatch.input, i);
    const sign = input.indexOf(15);
    assert.equal(input.lastIndexOf(15), 23);
    assert.equal(input.filter((token) => token === 15).length, 2);
    assert.equal(row(minibatch.target, i)[23], input[sign + 1]);
    assert.equal(row(minibatch.weight, i).indexOf(1), 23);
  }
});

Deno.test("associative-recall asks for every key once, and each has one value", async () => {
  const task = taskByName("associative-recall");
  const minibatch = (await task.open())(requestOf(task, { batch: 30 }));
  for (let i = 0; i < 30; i++) {
    const input = row(minibatch.input, i);
    const target = row(minibatch.target, i);
    const valueOf = new Map<number, number>();
    for (let pair = 0; pair < 8; pair++) valueOf.set(input[2 * pair]!, input[2 * pair + 1]!);
    assert.equal(valueOf.size, 8);
    const asked = row(minibatch.weight, i).flatMap((weight, at) => weight === 1 ? [at] : []);
    assert.deepEqual(new Set(asked.map((at) => input[at])), new Set(valueOf.keys()));
    for (const at of asked) assert.equal(target[at], valueOf.get(input[at]!));
    const rest = input.filter((_, at) => at >= 16 && !asked.includes(at));
    assert.ok(rest.every((token) => !valueOf.has(token)));
  }
});

Deno.test("delay gives the input back, late, of unit variance and of low frequencies", async () => {
  const task = taskByName("delay");
  const setting = { length: 4000, lag: 50, cutoff: 50 };
  const { input, target, weight } = (await task.open())(requestOf(task, { batch: 8, setting }));
  let [power, steps] = [0, 0];
  for (let i = 0; i < 8; i++) {
    const u = row(input, i);
    assert.deepEqual(row(target, i).slice(50), u.slice(0, -50));
    assert.equal(row(weight, i).indexOf(1), 50);
    u.forEach((value, k) => {
      power += value * value / 32_000;
      if (k > 0) steps += (value - u[k - 1]!) ** 2 / 32_000;
    });
  }
  // 3200 independent values: the variance of a sample is within 5 standard errors of 2.5 %.
  assert.ok(Math.abs(power - 1) < 0.125, `variance ${power}`);
  // Flat up to 0.05: the mean of 4·sin²(π·f) is 0.033; white noise has 2.
  assert.ok(steps < 0.05, `squared steps ${steps}`);
});

Deno.test("waves draws every class, and noise makes them differ", async () => {
  const task = taskByName("waves");
  const draw = await task.open();
  const { target } = draw(requestOf(task, { batch: 200 }));
  assert.equal(new Set(target.data).size, WAVES.length);
  const quiet = draw(requestOf(task)).input;
  const setting = { length: 256, noise: 40 };
  assert.notDeepEqual(draw(requestOf(task, { setting })).input, quiet);
});
