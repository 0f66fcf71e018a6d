import assert from "node:assert/strict";
import { JobDevices } from "../../src/service/job_devices.ts";

Deno.test("JobDevices ends its list with the CPU, and never has a software adapter in it", async () => {
  const devices = new JobDevices();
  const ranked = await devices.ranked();
  assert.equal(ranked.at(-1)!.device.kind, "cpu");
  assert.equal(ranked.at(-1)!.name, "cpu");
  for (const { device } of ranked.slice(0, -1)) {
    assert.ok(device.kind === "webgpu" && !device.info.software);
  }
  // What is open is kept.
  assert.equal((await devices.ranked()).at(-1)!.device, ranked.at(-1)!.device);
  await devices.close();
});

Deno.test("JobDevices that were never needed close at once", async () => {
  await new JobDevices().close();
});
