import assert from "node:assert/strict";
import { ROOT } from "../_source.ts";

async function bench(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "bench/ops_bench.ts", ...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

Deno.test("ops_bench times an op and its gradients on what is there", async () => {
  const { code, out } = await bench("--shapes", "small", "--op", "rms_norm", "--json");
  assert.equal(code, 0);
  const { rows } = JSON.parse(out);
  assert.deepEqual(rows.map(({ name }: { name: string }) => name), [
    "rms_norm small",
    "rms_norm gradients small",
  ]);
  for (const { cpu, cost, problem } of rows) {
    assert.equal(problem, undefined);
    assert.ok(cpu.twin > 0 && cpu.simd > 0 && cpu.threads > 0 && cost.bytes > 0);
  }
});

Deno.test("ops_bench refuses names and numbers that mean nothing", async () => {
  const refusals = [
    [["--op", "no_op"], '--op "no_op" is no op of src/ops/mod.ts'],
    [["--group", "best"], '--group "best" is none of issue, ops, gradients, length, state'],
    [["--shapes", "huge"], '--shapes "huge" is neither small nor large'],
    [["--seconds", "soon"], '--seconds "soon" is no positive number'],
  ] as const;
  for (const [args, message] of refusals) {
    const { code, err } = await bench(...args);
    assert.equal(code, 1);
    assert.match(err, new RegExp(message));
  }
});
