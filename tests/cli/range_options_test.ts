import assert from "node:assert/strict";
import { type Command, EXIT_OK } from "../../src/cli/command.ts";
import { finiteOption, RANGE_OPTIONS, rangeOf } from "../../src/cli/range_options.ts";
import { run } from "./_run.ts";

/** Prints the bounds that it is called with. */
const command: Command = {
  ...{ name: "bounds", summary: "", usage: "", description: "" },
  takesPositionals: false,
  options: RANGE_OPTIONS,
  run(input, output) {
    output.print(JSON.stringify(rangeOf(input)));
    return Promise.resolve(EXIT_OK);
  },
};

Deno.test("rangeOf() has the bounds that are said, and refuses two with nothing between", async () => {
  const told = async (...args: string[]) => JSON.parse((await run(command, ...args)).out);
  assert.deepEqual(await told(), {});
  assert.deepEqual(await told("--upper", "3"), { upper: 3 });
  assert.deepEqual(await told("--lower=-1.5", "--upper", "1e3"), { lower: -1.5, upper: 1000 });
  for (const lower of ["3", "4"]) {
    const { code, error } = await run(command, "--lower", lower, "--upper", "3");
    assert.equal(code, 2);
    assert.match(error, /--upper is "3", expected more than --lower/);
  }
});

Deno.test("finiteOption() reads numbers, and names the option of any other text", () => {
  assert.equal(finiteOption("lower", "-2e-3"), -0.002);
  for (const text of ["", " ", "low", "1e999", "NaN"]) {
    assert.throws(() => finiteOption("lower", text), /--lower is ".*", expected a number/);
  }
});
