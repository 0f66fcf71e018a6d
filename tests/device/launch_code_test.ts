import assert from "node:assert/strict";
import { openCpu } from "../../src/device/cpu.ts";
import { type Launch, VIEW_ELEMENTS, viewOf } from "../../src/device/device.ts";
import { LaunchWriter, readLaunches } from "../../src/device/launch_code.ts";
import type { Program } from "../../src/device/protocol.ts";

const cpu = openCpu();
const x = cpu.alloc([4 * VIEW_ELEMENTS], "f32");
const bind = (tensor: typeof x) => ({ buffer: tensor.buffer, bytes: 16 });

const PROGRAM: Program = {
  shader: "any",
  entry: "any",
  constants: {},
  names: ["a", "b"],
  dims: ["count", "share"],
  packed: {},
};

const launch = (count: number): Launch => ({
  ...PROGRAM,
  dims: { count, share: 0.1 },
  bindings: { a: bind(x), b: bind(viewOf(x, VIEW_ELEMENTS, [4])) },
  workgroups: [count, 2, 3],
});

const programs = new Map([[7, PROGRAM], [8, { ...PROGRAM, names: [], dims: [] }]]);

Deno.test("readLaunches() gives what LaunchWriter was given", () => {
  const writer = new LaunchWriter();
  const seen: string[] = [];
  writer.add(8, { ...launch(1), bindings: {}, dims: {} }, () => {});
  const { at } = writer;
  writer.add(7, launch(5), (variable) => seen.push(variable));
  const { id } = x.buffer;
  assert.deepEqual(readLaunches(writer.take(), at, 1, programs), [{
    program: 7,
    workgroups: [5, 2, 3],
    bindings: [{ id, offset: 0, bytes: 16 }, { id, offset: 4 * VIEW_ELEMENTS, bytes: 16 }],
    dims: [5, 0.1],
  }]);
  assert.deepEqual(seen, ["a", "b"]);
  assert.equal(writer.at, 0);
});

Deno.test("LaunchWriter grows with its launches", () => {
  const writer = new LaunchWriter();
  for (let i = 0; i < 1000; i++) writer.add(7, launch(i), () => {});
  const launches = readLaunches(writer.take(), 0, 1000, programs);
  assert.deepEqual(launches.map(({ dims }) => dims[0]), Array.from({ length: 1000 }, (_, i) => i));
});

Deno.test("a launch that is refused leaves the others where they are", () => {
  const writer = new LaunchWriter();
  const refuse = () => {
    throw new RangeError("refused");
  };
  assert.throws(() => writer.add(7, launch(1), refuse), RangeError);
  const { at } = writer;
  writer.add(7, launch(2), () => {});
  assert.deepEqual(readLaunches(writer.take(), at, 1, programs)[0]!.dims, [2, 0.1]);
});
