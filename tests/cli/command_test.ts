import assert from "node:assert/strict";
import {
  type Command,
  describeFault,
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  helpOf,
  readInput,
  UsageError,
} from "../../src/cli/command.ts";
import { InvalidValueError, NotFoundError } from "../../src/base/errors.ts";
import { run } from "./_run.ts";

const echo: Command = {
  name: "echo",
  summary: "Say it again",
  usage: "TEXT",
  description: "Prints what it is given.",
  takesPositionals: true,
  options: {
    times: { type: "string", value: "N", help: "How often" },
    word: { type: "string", isMultiple: true, value: "W", help: "More words" },
    loud: { type: "boolean", help: "In capitals" },
  },
  run(input, output) {
    if (input.positionals[0] === "fail") throw new InvalidValueError("text", "fail", "another");
    if (input.positionals[0] === "bug") throw new Error("broken inside");
    const text = [...input.positionals, ...input.texts("word")].join(" ");
    for (let i = 0; i < (input.wholeNumber("times", { least: 1, most: 9 }) ?? 1); i++) {
      output.print(input.isSet("loud") ? text.toUpperCase() : text);
    }
    return Promise.resolve(EXIT_OK);
  },
};

Deno.test("runVerb() reads options of all kinds", async () => {
  const ran = await run(echo, "a", "--times", "2", "--word=b", "--word", "c", "--loud");
  assert.deepEqual(ran, { code: EXIT_OK, out: "A B C\nA B C", error: "" });
});

Deno.test("runVerb() tells wrong usage by exit code 2 and says what is wrong", async () => {
  for (
    const args of [["--colour", "red"], ["--times"], ["--times", "10"], [
      "--times",
      "1",
      "--times",
      "2",
    ]]
  ) {
    const ran = await run(echo, "a", ...args);
    assert.equal(ran.code, EXIT_USAGE, args.join(" "));
    assert.match(ran.error, /--help/);
  }
});

Deno.test("runVerb() tells a value without a name to be none where a verb takes none", async () => {
  const { takesPositionals: _, ...quiet } = echo;
  const ran = await run(quiet, "a");
  assert.equal(ran.code, EXIT_USAGE);
  assert.match(ran.error, /^"a" is no option\n/);
  const unknown = await run(echo, "a", "--time", "3");
  assert.equal(unknown.code, EXIT_USAGE);
  assert.match(unknown.error, /^--time is no option; there are .*--times, .*--help\n/);
  const negative = await run(echo, "a", "--times", "-3");
  assert.equal(negative.code, EXIT_USAGE);
  assert.match(
    negative.error,
    /^Option '--times'.* use '--times=-XYZ'\.\nTry: deno task driftline echo --help$/,
  );
});

Deno.test("runVerb() tells a failure by exit code 1, with the stack only where it is our fault", async () => {
  const world = await run(echo, "fail");
  assert.deepEqual([world.code, world.error], [
    EXIT_FAILED,
    'Failed: text is "fail", expected another',
  ]);
  const ours = await run(echo, "bug");
  assert.equal(ours.code, EXIT_FAILED);
  assert.match(ours.error, /broken inside\n\s+at /);
});

Deno.test("runVerb() prints the help of a verb", async () => {
  const ran = await run(echo, "--help");
  assert.equal(ran.code, EXIT_OK);
  assert.equal(ran.out, helpOf(echo));
  for (const part of ["Usage: driftline echo TEXT", "--times N", "--json", "Exit code"]) {
    assert.ok(ran.out.includes(part), part);
  }
});

Deno.test("readInput() knows the last value of an option", () => {
  const input = readInput(echo, ["--word", "a", "--word", "b", "--json"]);
  assert.equal(input.text("word"), "b");
  assert.deepEqual(input.texts("word"), ["a", "b"]);
  assert.ok(input.isSet("json"));
  assert.ok(!input.isSet("loud"));
  assert.throws(() => readInput(echo, ["--no-such"]), UsageError);
});

Deno.test("describeFault() keeps to one line for what the world did", () => {
  assert.equal(describeFault(new Deno.errors.NotFound("no file")), "Failed: no file");
  assert.equal(describeFault(new NotFoundError("task", "x")), 'Failed: No task "x"');
  assert.equal(describeFault("text"), "Failed: text");
  const full = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
  assert.equal(describeFault(full), "Failed: No space left on device");
  for (const open of [() => Deno.readTextFileSync("."), () => Deno.mkdirSync("deno.json/a")]) {
    try {
      open();
      assert.fail("a folder is no file, and a file no folder");
    } catch (error) {
      assert.match(describeFault(error), /^Failed: .*os error.*$/);
    }
  }
});
