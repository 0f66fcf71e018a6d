import assert from "node:assert/strict";
import { systemClock } from "../../src/base/clock.ts";
import { type CrossoverTable, Hardware, openCpu, type openHardware } from "../../src/device/mod.ts";
import type { DeviceMode } from "../../src/service/devices.ts";
import { JobDevices } from "../../src/service/job_devices.ts";

const line = { fixedMs: 1, perWorkMs: 1 };
const CROSSOVERS: CrossoverTable = {
  matmul: { cpu: line, gpu: line, work: 1_000 },
  add: { cpu: line, gpu: line, work: Infinity },
};

/** A machine whose GPU is only a name: what is chosen can be told without one. */
function pretend(software: boolean): typeof openHardware {
  const info = {
    ...{ vendor: "a", device: "b", description: "A card", software },
    ...{ fastReadback: true, timestamps: true },
  };
  const gpu = { kind: "webgpu", info, gone: undefined, close: () => Promise.resolve() };
  return (options) => Promise.resolve(new Hardware(openCpu(), gpu as never, undefined, options!));
}

/** Devices in which the check of a GPU is counted. */
function open(
  mode: DeviceMode,
  more: { software?: boolean; cacheFile?: string; isBroken?: boolean } = {},
) {
  let count = 0;
  const devices = new JobDevices({
    mode,
    cacheFile: more.cacheFile ?? null,
    clock: systemClock,
    log: () => {},
    open: pretend(more.software ?? false),
    admit: (hardware) => {
      count++;
      hardware.setCrossovers(CROSSOVERS);
      const check = { op: "matmul", case: "a", output: "c", tolerance: 1, error: 0 };
      return Promise.resolve([{ ...check, passed: more.isBroken !== true }]);
    },
  });
  const names = async (work: number) => (await devices.ranked(work)).map(({ name }) => name);
  return { devices, names, count: () => count };
}

Deno.test("JobDevices takes a GPU from the work on from which it was measured to be faster", async () => {
  const { names, devices, count } = open("auto");
  assert.deepEqual(await names(999), ["cpu"]);
  assert.deepEqual(await names(1_000), ["A card", "cpu"]);
  assert.equal(count(), 1);
  const { gpu, gpuUnused } = await devices.report();
  assert.deepEqual(gpu, { name: "A card", software: false, failedOps: [], fromWork: 1_000 });
  assert.equal(gpuUnused, null);
  await devices.close();
});

Deno.test("JobDevices that are told so take the GPU whatever was measured", async () => {
  const { names } = open("webgpu");
  assert.deepEqual(await names(1), ["A card", "cpu"]);
});

for (const mode of ["auto", "webgpu"] as const) {
  Deno.test(`JobDevices never take a software adapter: ${mode}`, async () => {
    const { names, devices, count } = open(mode, { software: true });
    assert.deepEqual(await names(1e12), ["cpu"]);
    assert.equal(count(), 0);
    assert.match((await devices.report()).gpuUnused!, /software adapter/);
  });

  Deno.test(`JobDevices never take a GPU with wrong results: ${mode}`, async () => {
    const { names, devices } = open(mode, { isBroken: true });
    assert.deepEqual(await names(1e12), ["cpu"]);
    const { gpu, gpuUnused } = await devices.report();
    assert.deepEqual(gpu!.failedOps, ["matmul"]);
    assert.equal(gpuUnused, "Its results are wrong in matmul");
  });
}

Deno.test("a GPU that cannot be checked runs no job", async () => {
  const devices = new JobDevices({
    ...{ mode: "webgpu", cacheFile: null, clock: systemClock, log: () => {} },
    open: pretend(false),
    admit: () => Promise.reject(new Error("it went away")),
  });
  assert.deepEqual((await devices.ranked(1e12)).map(({ name }) => name), ["cpu"]);
  const { gpuUnused } = await devices.report();
  assert.equal(gpuUnused, "It could not be checked: it went away");
});

Deno.test("what was measured is kept, and measured anew where it is damaged", async () => {
  const folder = await Deno.makeTempDir();
  const cacheFile = `${folder}/devices.json`;
  const first = open("auto", { cacheFile });
  await first.devices.report();
  assert.equal(first.count(), 1);
  const second = open("auto", { cacheFile });
  assert.deepEqual(await second.names(1_000), ["A card", "cpu"]);
  assert.deepEqual(await second.devices.report(), await first.devices.report());
  assert.equal(second.count(), 0);
  const text = await Deno.readTextFile(cacheFile);
  for (const damaged of [text.slice(0, 40), text.replace(/"key":"../, '"key":"00'), "{}"]) {
    await Deno.writeTextFile(cacheFile, damaged);
    const again = open("auto", { cacheFile });
    await again.devices.report();
    assert.equal(again.count(), 1);
    assert.equal(await Deno.readTextFile(cacheFile), text);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("JobDevices of this machine end with the CPU, and open no GPU where told so", async () => {
  const options = { cacheFile: null, clock: systemClock, log: () => {} };
  const devices = new JobDevices({ ...options, mode: "cpu" });
  const ranked = await devices.ranked(1e12);
  assert.deepEqual(ranked.map(({ name }) => name), ["cpu"]);
  assert.equal(ranked[0]!.device.kind, "cpu");
  assert.equal((await devices.report()).gpuUnused, "The GPU was switched off");
  await devices.close();
  await new JobDevices({ ...options, mode: "auto" }).close();
});
