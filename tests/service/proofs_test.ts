import assert from "node:assert/strict";
import { ManualClock } from "../../src/base/clock.ts";
import { InvalidValueError } from "../../src/base/errors.ts";
import { openMemoryStore } from "../../src/stores/mod.ts";
import type { Claim, Engine } from "../../src/streams/engine.ts";
import { type ProofQuestion, stateProof } from "../../src/service/proofs.ts";

/** A stream of three samples whose log makes the state "c". */
async function ask(question: ProofQuestion, isEmpty = false) {
  const store = openMemoryStore({ clock: new ManualClock() });
  await store.putStream("s", {});
  if (!isEmpty) {
    const timestampsNs = BigInt64Array.of(0n, 1_000_000_000n, 2_000_000_000n);
    const values = [Float64Array.of(1, 2, 3)];
    await store.append([{ streamId: "s", channels: ["a"], timestampsNs, values }]);
  }
  const engine = {
    describe: () => Promise.resolve({ appliedOffset: 3, stateHash: "c", modelHash: "m" }),
    prove: (_: string, claim: Claim) =>
      Promise.resolve({ ...claim, replayedHash: "c", isProven: claim.stateHash === "c" }),
  } as unknown as Engine;
  return await stateProof({ store, engine }, (await store.getStream("s"))!, question);
}

Deno.test("stateProof() proves the present state, or one that is told of", async () => {
  assert.deepEqual(await ask({}), {
    ...{ id: "s", proven: true, appliedOffset: 3, timestamp: "1970-01-01T00:00:02Z" },
    ...{ modelHash: "m", stateHash: "c", replayedHash: "c" },
  });
  const other = await ask({ appliedOffset: 2, stateHash: "b" });
  assert.deepEqual([other.proven, other.replayedHash, other.timestamp], [
    ...[false, "c", "1970-01-01T00:00:01Z"],
  ]);
});

const BAD: readonly [ProofQuestion, string][] = [
  [{ appliedOffset: 2 }, "stateHash"],
  [{ stateHash: "b" }, "appliedOffset"],
  [{ appliedOffset: 4, stateHash: "b" }, "appliedOffset"],
  [{ appliedOffset: 0, stateHash: "b" }, "appliedOffset"],
];

for (const [question, field] of BAD) {
  Deno.test(`stateProof(${JSON.stringify(question)}) names ${field}`, async () => {
    await assert.rejects(
      ask(question),
      (error) => error instanceof InvalidValueError && error.field === field,
    );
  });
}

Deno.test("stateProof() of a stream without a sample says so", async () => {
  await assert.rejects(ask({}, true), /a stream with a sample/);
});
