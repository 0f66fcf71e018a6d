import assert from "node:assert/strict";
import {
  ANCHORS,
  LEAD_FEATURES,
  leadRows,
  LEVELS,
  TOKEN_FEATURES,
} from "../../../src/models/neural/shapes.ts";

Deno.test("the sizes are those that weights on disk were trained with", () => {
  assert.equal(TOKEN_FEATURES, 24);
  assert.equal(ANCHORS, 20);
  assert.equal(LEAD_FEATURES, 92);
});

Deno.test("LEVELS ascend and lie evenly about the median", () => {
  assert.equal(LEVELS.length, 11);
  LEVELS.forEach((level, i) => {
    assert.ok(Math.abs(level + LEVELS[LEVELS.length - 1 - i]! - 1) < 1e-12);
    if (i > 0) assert.ok(level > LEVELS[i - 1]!);
  });
});

Deno.test("leadRows() has room for every number of every row", () => {
  const rows = leadRows(3);
  assert.equal(rows.features.length, 3 * LEAD_FEATURES);
  assert.equal(rows.anchors.length, 3 * ANCHORS);
  assert.equal(rows.valid.length, 3 * ANCHORS);
  assert.equal(rows.scale.length, 3);
  assert.equal(rows.unit.length, 3);
});
