import assert from "node:assert/strict";
import { studentSurprise } from "../../../src/detectors/_helpers/student.ts";

Deno.test("studentSurprise() is -log10 of Student's upper tail, from tables, within 3 %", () => {
  // Upper tails of t tables: degrees, t, P(T > t).
  for (
    const [degrees, t, p] of [
      [7, 1.895, 0.05],
      [7, 4.785, 0.001],
      [10, 2.764, 0.01],
      [30, 3.646, 0.0005],
      [1000, 3.098, 0.001],
    ] as const
  ) {
    const ratio = studentSurprise(t, degrees) / -Math.log10(p);
    assert.ok(Math.abs(ratio - 1) < 0.03, `${t}, ${degrees}: ${ratio}`);
  }
  assert.equal(studentSurprise(-1, 5), 0);
});
