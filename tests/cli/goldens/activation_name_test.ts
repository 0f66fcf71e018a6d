import assert from "node:assert/strict";
import { activationNamed } from "../../../src/cli/goldens/activation_name.ts";

Deno.test("activationNamed() knows the references' names", () => {
  const names = [undefined, null, "gelu", "gelu_tanh", "swish", "silu", "relu", "elu"];
  assert.deepEqual(
    names.map(activationNamed),
    ["identity", "identity", "gelu", "gelu_tanh", "silu", "silu", "relu", undefined],
  );
});
