import assert from "node:assert/strict";
import { type Command, EXIT_OK } from "../../src/cli/command.ts";
import { SEASON_OPTION, seasonsOf } from "../../src/cli/season_option.ts";
import { SEASONS_MAX } from "../../src/stores/store.ts";
import { run } from "./_run.ts";

/** Prints the seasons that it is called with. */
const command: Command = {
  ...{ name: "seasons", summary: "", usage: "", description: "" },
  takesPositionals: false,
  options: SEASON_OPTION,
  run(input, output) {
    output.print(JSON.stringify(seasonsOf(input)));
    return Promise.resolve(EXIT_OK);
  },
};

const given = (...lengths: string[]) =>
  run(command, ...lengths.flatMap((length) => ["--season", length]));

Deno.test("seasonsOf() reads seconds and lengths with a unit, in the order given", async () => {
  assert.deepEqual(JSON.parse((await given()).out), []);
  const lengths = ["86400", "7d", "24 h", "90min", "1.5w", "0.02s"];
  assert.deepEqual(
    JSON.parse((await given(...lengths)).out),
    [86_400, 604_800, 86_400, 5_400, 907_200, 0.02],
  );
});

Deno.test("seasonsOf() refuses what is no length, and more than SEASONS_MAX", async () => {
  for (const text of ["", "day", "0", "0h", "1y", "-3600", "1e5", "24h7d", "9".repeat(400)]) {
    const { code, error } = await run(command, `--season=${text}`);
    assert.equal(code, 2, text);
    assert.match(error, /--season is ".*", expected a length such as 86400, 24h or 7d/);
  }
  const lengths = Array.from({ length: SEASONS_MAX + 1 }, (_, i) => `${i + 1}h`);
  assert.equal((await given(...lengths.slice(1))).code, 0);
  const many = await given(...lengths);
  assert.equal(many.code, 2);
  assert.match(many.error, /seasonsS is "9", expected at most 8 seasons/);
});
