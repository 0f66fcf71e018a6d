import assert from "node:assert/strict";
import { cutsOf } from "../../src/streams/cuts.ts";

Deno.test("cutsOf() has the end of a segment alone where nothing changes", () => {
  assert.deepEqual(cutsOf([], [], 7), [{ index: 7, begun: 0, changed: [] }]);
});

Deno.test("cutsOf() puts channels that begin and those that change in order, once a sample", () => {
  const growth = [{ index: 0, names: ["a", "b"] }, { index: 5, names: ["c"] }];
  const changes = [
    { index: 9, channel: 1 },
    { index: 5, channel: 0 },
    { index: 5, channel: 1 },
    { index: 3, channel: 0 },
  ];
  assert.deepEqual(cutsOf(growth, changes, 9), [
    { index: 0, begun: 2, changed: [] },
    { index: 3, begun: 0, changed: [0] },
    { index: 5, begun: 1, changed: [0, 1] },
    { index: 9, begun: 0, changed: [1] },
  ]);
});
