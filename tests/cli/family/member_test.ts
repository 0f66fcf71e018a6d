import assert from "node:assert/strict";
import { familyMembers } from "../../../src/cli/family/member.ts";
import { LAYERS } from "../../../src/layers/mod.ts";

const members = familyMembers();
const named = (name: string) => members.find((member) => member.name === name)!;

Deno.test("familyMembers() names every layer of the hub, and the Kalman filter", () => {
  const names = members.map(({ name }) => name);
  for (const { name } of LAYERS) assert.ok(names.includes(name), name);
  assert.ok(names.includes("kalman_filter") && names.includes("kalman_smoother"));
  assert.equal(new Set(names).size, names.length);
});

Deno.test("familyMembers() gives every member a configuration that it accepts, and a paper", () => {
  for (const { name, forms, config, papers } of members) {
    assert.ok(forms.stateBytes(config, 1) > 0, name);
    assert.ok(papers.length > 0, name);
    for (const { arxiv } of papers) assert.match(arxiv, /^\d{4}\.\d{4,5}$/);
  }
});

Deno.test("familyMembers() gives a configuration the papers that define it", () => {
  const arxiv = named("linear_attention fixed").papers.map((paper) => paper.arxiv);
  assert.deepEqual(arxiv, ["2307.08621"]);
});

Deno.test("familyMembers() tells the golden groups of like names apart", () => {
  const { goldens } = named("mamba");
  assert.ok(goldens!("mamba", "block") && !goldens!("mamba2", "block"));
  assert.ok(named("hippo").goldens!("hippo_projection", "legs"));
  assert.ok(named("attention").goldens!("layers", "mha"));
  assert.ok(!named("attention").goldens!("layers", "act"));
  assert.ok(named("kalman_filter").goldens!("kalman", "mle"));
  assert.ok(!named("kalman").goldens!("kalman", "mle"));
});
