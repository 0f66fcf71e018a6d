import assert from "node:assert/strict";
import type { Launch } from "../../src/device/device.ts";
import { ProgramNumbers, PROGRAMS_MAX } from "../../src/device/programs.ts";

const launch = (change: Partial<Launch> = {}): Launch => ({
  shader: "any",
  entry: "any",
  constants: {},
  dims: { count: 1 },
  bindings: {},
  workgroups: [1, 1, 1],
  ...change,
});

function numbers() {
  const sent: number[] = [];
  return { sent, programs: new ProgramNumbers((number) => sent.push(number)) };
}

Deno.test("a program is sent once, whatever the values of its sizes", () => {
  const { sent, programs } = numbers();
  const first = programs.numberOf(launch());
  assert.equal(programs.numberOf(launch({ dims: { count: 2 } })), first);
  const others = [{ entry: "other" }, { constants: { A: 1 } }, { dims: { size: 1 } }];
  for (const change of others) assert.notEqual(programs.numberOf(launch(change)), first);
  assert.deepEqual(sent, [1, 2, 3, 4]);
});

Deno.test("launches of one template have one program, until all are forgotten", () => {
  const { sent, programs } = numbers();
  const template = {};
  const first = programs.numberOf(launch({ template }));
  assert.equal(programs.numberOf(launch({ template })), first);
  programs.clear();
  programs.numberOf(launch({ template }));
  assert.deepEqual(sent, [1, 1]);
});

Deno.test("there is room for PROGRAMS_MAX programs", () => {
  const { programs } = numbers();
  for (let tag = 0; tag < PROGRAMS_MAX; tag++) programs.numberOf(launch({ constants: { tag } }));
  assert.ok(programs.hasRoomFor(0) && !programs.hasRoomFor(1));
  programs.clear();
  assert.ok(programs.hasRoomFor(PROGRAMS_MAX));
});
