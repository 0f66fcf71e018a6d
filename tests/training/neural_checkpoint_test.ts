import assert from "node:assert/strict";
import { seedRandom } from "../../src/base/random.ts";
import { prefixed } from "../../src/base/prefixes.ts";
import { networkOf, parseNeural } from "../../src/models/neural/network.ts";
import { asDtype } from "../../src/tensor/tensor.ts";
import { CHECKPOINT_FILE_BYTES_MAX } from "../../src/training/neural_checkpoint.ts";
import { decodeNeuralCheckpoint } from "../../src/training/neural_checkpoint.ts";
import { encodeNeuralCheckpoint } from "../../src/training/neural_checkpoint.ts";

function checkpointOf(width: number) {
  const config = parseNeural({
    kind: "s5",
    width,
    depth: 2,
    state: width,
    mlp: 2 * width,
    head: 9,
  });
  const weights = Object.fromEntries(
    Object.entries(networkOf(config).init(seedRandom(1))).map(([name, tensor]) => [
      name,
      asDtype(tensor, "f32"),
    ]),
  );
  const kinds = ["weights/", "optimizer/mean/", "optimizer/variance/"];
  const tensors = Object.assign({}, ...kinds.map((kind) => prefixed(kind, weights)));
  return { config, tensors, step: 12, training: { settings: { a: 1 }, rate: 0.003 } };
}

const checkpoint = checkpointOf(16);
const HEAD_ROOM = 512 * 1024;

Deno.test("a checkpoint comes back bit for bit from files of a bounded size", async () => {
  const most = HEAD_ROOM + 6_000;
  const { head, parts } = encodeNeuralCheckpoint(checkpoint, most);
  assert.ok(parts.length >= 2, `${parts.length} parts`);
  for (const bytes of [head, ...parts.map((part) => part.bytes)]) assert.ok(bytes.length <= most);
  const files = new Map(parts.map(({ name, bytes }) => [name, bytes]));
  const read = (name: string) => Promise.resolve(files.get(name)!);
  assert.deepEqual(await decodeNeuralCheckpoint(head, read), checkpoint);
});

Deno.test("a checkpoint of two million parameters has no file above 16 MiB", () => {
  const { head, parts } = encodeNeuralCheckpoint(checkpointOf(448));
  const sizes = [head.length, ...parts.map(({ bytes }) => bytes.length)];
  assert.ok(sizes.reduce((a, b) => a + b) > 24e6, `${sizes}`);
  for (const size of sizes) assert.ok(size <= CHECKPOINT_FILE_BYTES_MAX, `${sizes}`);
});

Deno.test("decodeNeuralCheckpoint() refuses parts that are not its own", async () => {
  const { head, parts } = encodeNeuralCheckpoint(checkpoint, HEAD_ROOM + 6_000);
  const read = () => Promise.resolve(parts[1]!.bytes);
  await assert.rejects(decodeNeuralCheckpoint(head, read), { field: parts[0]!.name });
  const whole = encodeNeuralCheckpoint({ ...checkpoint, tensors: {} });
  await assert.rejects(decodeNeuralCheckpoint(whole.head, read), /expected a tensor/);
  const bad = whole.head.slice();
  const at = new TextDecoder("latin1").decode(bad).indexOf('\\"rate\\":0.003');
  bad[at + 10] = "1".charCodeAt(0);
  await assert.rejects(decodeNeuralCheckpoint(bad, read), { field: "metadata.trainingHash" });
});

Deno.test("encodeNeuralCheckpoint() refuses a tensor that no file has room for", () => {
  assert.throws(() => encodeNeuralCheckpoint(checkpoint, HEAD_ROOM + 100), {
    limitName: "CHECKPOINT_FILE_BYTES_MAX",
  });
});
