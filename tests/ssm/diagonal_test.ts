import assert from "node:assert/strict";
import { DIAGONAL_STARTS, diagonalStart, isDiagonalStart } from "../../src/ssm/diagonal.ts";

Deno.test("diagonalStart() of lin turns by multiples of pi", () => {
  const { lambda, B } = diagonalStart("lin", 6);
  assert.deepEqual(Array.from(lambda), [-0.5, 0, -0.5, -Math.PI, -0.5, -2 * Math.PI]);
  assert.deepEqual(Array.from(B), [1, 0, 1, 0, 1, 0]);
});

Deno.test("diagonalStart() always forgets and keeps the lower half of the plane", () => {
  for (const start of DIAGONAL_STARTS) {
    const { lambda } = diagonalStart(start, 16);
    for (let i = 0; i < lambda.length; i += 2) {
      assert.ok(lambda[i]! < 0, start);
      assert.ok(lambda[i + 1]! <= 0, start);
    }
  }
});

Deno.test("diagonalStart() of real is -1, -2, -3 and so on", () => {
  assert.deepEqual(Array.from(diagonalStart("real", 6).lambda), [-1, 0, -2, 0, -3, 0]);
});

Deno.test("diagonalStart() bounds the input of legs, whose phase is arbitrary", () => {
  const { B } = diagonalStart("legs", 64);
  for (let i = 1; i < B.length; i += 2) assert.ok(Math.abs(B[i]!) <= 2);
});

Deno.test("diagonalStart() names what is out of range", () => {
  assert.throws(() => diagonalStart("lin", 7), /stateSize is "7"/);
  assert.throws(() => diagonalStart("none" as "lin", 4), /start is "none"/);
  assert.ok(isDiagonalStart("inv") && !isDiagonalStart("none"));
});
