import assert from "node:assert/strict";
import { DeviceWatch } from "../../src/service/devices.ts";

Deno.test("DeviceWatch opens once, and tells what came of it", async () => {
  let count = 0;
  const cpu = { threads: 2, simdUnavailable: null };
  const watch = new DeviceWatch("auto", () => {
    count++;
    return Promise.resolve({ cpu, gpu: null, gpuUnused: "There is none" });
  });
  assert.equal(count, 0);
  assert.deepEqual(watch.shape, { mode: "auto", state: "opening", error: null });
  await watch.open();
  const known = { mode: "auto", state: "ready", error: null, cpu, gpu: null };
  assert.deepEqual(watch.shape, { ...known, gpuUnused: "There is none" });
  assert.equal(count, 1);
});

Deno.test("DeviceWatch tells why the devices are not there", async () => {
  const watch = new DeviceWatch("webgpu", () => Promise.reject(new Error("out of memory")));
  await watch.open();
  assert.deepEqual(watch.shape, { mode: "webgpu", state: "failed", error: "out of memory" });
});
