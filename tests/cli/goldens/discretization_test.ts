import assert from "node:assert/strict";
import { methodOf } from "../../../src/cli/goldens/discretization.ts";
import { parseGoldenGroup } from "../../../src/cli/goldens/golden_file.ts";
import { fileOf, manifestOf } from "./_files.ts";

Deno.test("methodOf() reads the references' names", () => {
  const [golden] = parseGoldenGroup(manifestOf(), fileOf()).cases;
  assert.deepEqual(methodOf("backward_diff", golden!), { method: "backward" });
  assert.deepEqual(methodOf("forward", golden!), { method: "euler" });
  assert.deepEqual(methodOf("zoh", golden!), { method: "zoh" });
  assert.equal(methodOf("foh", golden!), undefined);
  assert.throws(() => methodOf("gbt", golden!), /scalar "alpha"/);
});
