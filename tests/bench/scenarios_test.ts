import assert from "node:assert/strict";
import { ARITHMETIC } from "../../bench/costs.ts";
import { PEER_TIMES } from "../../bench/peers.ts";
import { largeScenarios, smallScenarios } from "../../bench/scenarios.ts";
import { DESKTOP_LIMITS, openPlanner } from "../../src/cli/family/planner.ts";
import { OPS } from "../../src/ops/mod.ts";

const large = largeScenarios();

/** What a data-centre GPU grants, with and without what is optional. */
const LIMITS = { ...DESKTOP_LIMITS, workgroupBytesMax: 49_152, bindingBytesMax: 2 ** 31 - 4 };

Deno.test("largeScenarios() have launches within a GPU's limits", () => {
  for (const subgroupSize of [0, 32]) {
    for (const scenario of large) {
      const { device } = openPlanner({ ...LIMITS, subgroupSize, f16: subgroupSize > 0 });
      const launches = scenario.launches(device);
      assert.ok(launches.length > 0, scenario.name);
      for (const { workgroups, entry } of launches) {
        const place = `${scenario.name}: ${entry}`;
        assert.ok(workgroups.every((count) => count <= LIMITS.workgroupsPerAxisMax), place);
      }
    }
  }
});

Deno.test("largeScenarios() and smallScenarios() have names of their own and count something", () => {
  for (const scenarios of [large, smallScenarios()]) {
    const names = scenarios.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const scenario of scenarios) {
      const { bytes, fused, single, special } = scenario.cost();
      assert.ok(bytes > 0 && Number.isFinite(bytes + fused + single + special), scenario.name);
    }
  }
});

Deno.test("largeScenarios() time every op, and its gradients", () => {
  for (const op of OPS) {
    const own = large.filter(({ ops }) => ops[0] === op.name).map(({ name }) => name);
    assert.ok(own.some((name) => !name.includes("gradients")), op.name);
    if (op.backward) assert.ok(own.some((name) => name.includes("gradients")), op.name);
  }
});

Deno.test("peers.json names scenarios that are timed", () => {
  // The last is a path of its own, timed by bench/training_bench.ts.
  const names = new Set([...large.map(({ name }) => name), "mamba4 32×2048×256"]);
  assert.deepEqual(PEER_TIMES.filter(({ scenario }) => !names.has(scenario)), []);
});

Deno.test("ARITHMETIC names ops of the hub", () => {
  const names = new Set(OPS.map(({ name }) => name));
  assert.deepEqual(Object.keys(ARITHMETIC).filter((name) => !names.has(name)), []);
});
