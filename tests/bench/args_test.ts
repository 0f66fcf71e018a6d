import assert from "node:assert/strict";
import { wholeNumbers } from "../../bench/args.ts";
import { rounded } from "../../bench/performance.ts";
import { ROOT } from "../_source.ts";

async function bench(file: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `bench/${file}`, ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

/** A wrong value of each bench, and how the line that refuses it begins. */
const REFUSALS: readonly (readonly [string, string, string, string])[] = [
  ["backlog_bench.ts", "--streams", "0", "a whole number 1 to 65536"],
  ["backlog_bench.ts", "--length", "x", "a whole number 1 to 16777216"],
  ["backlog_bench.ts", "--member", "nope", "one of attention, "],
  ["crossover_bench.ts", "--op", "nope", "one of activation, "],
  ["ingest_bench.ts", "--model", "nope", "one of committee, "],
  ["ingest_bench.ts", "--seconds", "x", "a whole number 1 to 3600"],
  ["kalman_bench.ts", "--states", "0", "a whole number 1 to 8"],
  ["memory_bench.ts", "--most", "64", "a whole number 1024 to 16777216"],
  ["models_bench.ts", "--samples", "x", "a whole number 1 to 1048576"],
  ["performance.ts", "--record", "nope", "one of kernels, "],
  ["serving_bench.ts", "--device", "tpu", "one of gpu, cpu"],
  ["serving_bench.ts", "--states", "f8", "one of f32, f16"],
  ["serving_bench.ts", "--streams", "8,", "a whole number 1 to 1048576"],
  ["simd_bench.ts", "--op", "nope", "one of activation, "],
  ["smoother_bench.ts", "--states", "2.5", "a whole number 1 to 8"],
  ["smoother_bench.ts", "--lengths", "0", "a whole number 1 to 16777216"],
  ["training_bench.ts", "--model", "nope", "one of mamba4"],
  ["training_bench.ts", "--shapes", "huge", "one of small, large"],
  ["turns_bench.ts", "--memory", "0", "a whole number 1 to 65536"],
];

Deno.test("each bench refuses a wrong value in one line that names option, value and limits", async () => {
  for (const [file, option, value, expectation] of REFUSALS) {
    const { code, out, err } = await bench(file, option, value);
    const shown = value.split(",").at(-1);
    assert.equal(code, 1, `${file} ${option} ${value}`);
    assert.equal(out, "");
    assert.ok(
      err.startsWith(`${option} is "${shown}", expected ${expectation}`),
      `${file}: ${err}`,
    );
    assert.equal(err.trimEnd().split("\n").length, 1);
  }
});

Deno.test("a bench refuses an option that it has not in one line, and --help prints its header", async () => {
  const unknown = await bench("smoother_bench.ts", "--", "--frobnicate");
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /^Unknown option '--frobnicate'.*\n$/);
  const help = await bench("smoother_bench.ts", "--", "--help");
  assert.equal(help.code, 0);
  assert.match(help.out, /^The parallel Kalman smoother .*\n[^]*--lengths 128,1024,…/);
  assert.doesNotMatch(help.out, /^ \*/m);
});

Deno.test("a bench of the GPU alone fails in one line where there is none", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "bench/serving_bench.ts", "--device", "gpu"],
    cwd: ROOT,
    env: { NO_COLOR: "1", VK_DRIVER_FILES: "/nonexistent", DENO_WEBGPU_BACKEND: "vulkan" },
  }).output();
  assert.equal(code, 1);
  assert.equal(new TextDecoder().decode(stdout), "");
  assert.match(new TextDecoder().decode(stderr), /^No GPU: .*\n$/);
});

Deno.test("whole numbers are taken between commas", () => {
  assert.deepEqual(wholeNumbers("streams", "1,16", 16), [1, 16]);
  assert.throws(() => wholeNumbers("streams", "1,17", 16), {
    name: "InvalidValueError",
    message: '--streams is "17", expected a whole number 1 to 16',
  });
});

Deno.test("a record rounds what was measured and keeps what was counted", () => {
  const stored = JSON.stringify({ length: 1_048_576, ms: 188.6312345 }, rounded);
  assert.equal(stored, '{"length":1048576,"ms":188.631}');
});
