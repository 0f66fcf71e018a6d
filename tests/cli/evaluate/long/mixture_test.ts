import assert from "node:assert/strict";
import { mixtureEvidence, mixtureShares } from "../../../../src/cli/evaluate/long/mixture.ts";

const setting = { horizon: 4, spacing: 1, samplesADay: 1 };

Deno.test("mixtureEvidence gives the least-squares share", () => {
  const { agreement, distance } = mixtureEvidence(0, [1, 2], [3, 6], [1.5, 3]);
  assert.equal(agreement / distance, 0.25);
});

Deno.test("mixtureShares begins at a half and goes to the better forecast", () => {
  const better = (target: number) =>
    Array.from({ length: 400 }, (_, origin) => mixtureEvidence(origin, [0], [1], [target]));
  const origins = [0, 3, 399];
  const toSecond = mixtureShares(better(1), origins, setting);
  assert.deepEqual([...toSecond.subarray(0, 2)], [0.5, 0.5]);
  assert.ok(toSecond[2]! > 0.9 && toSecond[2]! <= 1);
  assert.ok(mixtureShares(better(0), origins, setting)[2]! < 0.1);
  assert.ok(Math.abs(mixtureShares(better(0.5), origins, setting)[2]! - 0.5) < 1e-9);
  assert.equal(mixtureShares(better(50), origins, setting)[2], 1);
  assert.equal(mixtureShares(better(-50), origins, setting)[2], 0);
});

Deno.test("mixtureShares knows nothing of targets that lie ahead", () => {
  const evidence = [0, 1, 2, 3, 4, 5].map((o) => mixtureEvidence(o, [0], [1], [0.2]));
  const changed = evidence.map((one) =>
    one.origin + setting.horizon > 7 ? { ...one, agreement: 1e6 } : one
  );
  const origins = [4, 5, 6, 7];
  assert.deepEqual(
    mixtureShares(changed, origins, setting),
    mixtureShares(evidence, origins, setting),
  );
  assert.notDeepEqual(
    mixtureShares(changed, [8], setting),
    mixtureShares(evidence, [8], setting),
  );
});
