import assert from "node:assert/strict";
import {
  BATCH_BYTES_MAX,
  BATCH_COMMANDS_MAX,
  CommandBatch,
  type SendBatch,
} from "../../src/device/command_batch.ts";
import type { Command } from "../../src/device/protocol.ts";

/** A batch, and what it has sent. */
function batchOf() {
  const sent: Parameters<SendBatch>[] = [];
  return { sent, batch: new CommandBatch((...message) => sent.push(message)) };
}

const destroy = (id: number): Command => ({ kind: "destroy", id });

Deno.test("CommandBatch sends what one stretch of code issues as one message, in order", async () => {
  const { sent, batch } = batchOf();
  const memory = new ArrayBuffer(8);
  batch.add(destroy(1));
  batch.add({ kind: "write", id: 2, offset: 0, data: memory }, memory);
  batch.add(destroy(3));
  assert.equal(sent.length, 0);
  await Promise.resolve();
  assert.equal(sent.length, 1);
  const [commands, numbers, transfer] = sent[0]!;
  assert.deepEqual(commands.map(({ kind }) => kind), ["destroy", "write", "destroy"]);
  assert.deepEqual(transfer, [memory, numbers.buffer]);
  await Promise.resolve();
  assert.equal(sent.length, 1);
  batch.add(destroy(4));
  await Promise.resolve();
  assert.equal(sent.length, 2);
});

Deno.test("CommandBatch sends a full batch at once", () => {
  const { sent, batch } = batchOf();
  for (let id = 0; id < BATCH_COMMANDS_MAX + 1; id++) batch.add(destroy(id));
  assert.deepEqual(sent.map(([commands]) => commands.length), [BATCH_COMMANDS_MAX]);
  batch.flush();
  assert.deepEqual(sent.map(([commands]) => commands.length), [BATCH_COMMANDS_MAX, 1]);
  const half = new ArrayBuffer(BATCH_BYTES_MAX / 2 + 4);
  batch.add({ kind: "write", id: 1, offset: 0, data: half }, half);
  assert.equal(sent.length, 2);
  batch.add({ kind: "write", id: 2, offset: 0, data: half }, half);
  assert.equal(sent.length, 3);
  assert.equal(sent[2]![2].length, 3);
});

Deno.test("CommandBatch sends launches with the commands that name them, and drops what is cleared", () => {
  const { sent, batch } = batchOf();
  const launch = {
    shader: "add",
    entry: "add",
    constants: {},
    dims: { count: 5 },
    bindings: {},
    workgroups: [1, 2, 3] as [number, number, number],
  };
  const add = () => {
    const range = { at: batch.launches.at, count: 1 };
    batch.launches.add(7, launch, () => {});
    batch.add({ kind: "launch", range });
  };
  add();
  batch.clear();
  batch.flush();
  assert.equal(sent.length, 0);
  add();
  batch.flush();
  assert.deepEqual(sent[0]![0], [{ kind: "launch", range: { at: 0, count: 1 } }]);
  assert.deepEqual([...sent[0]![1]], [7, 1, 2, 3, 5]);
});
