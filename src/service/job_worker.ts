/// <reference lib="deno.worker" />
/** The thread that runs jobs: only translates messages, and holds the devices between jobs. */
import { systemClock } from "../base/clock.ts";
import { type PortLike, serveMethods, Transferred } from "../base/remote_port.ts";
import { openNeuralTuning } from "../training/neural_tuning.ts";
import { JobDevices } from "./job_devices.ts";
import { type JobNews, type JobTask, type OpenTuning, runJob } from "./job_run.ts";

const devices = new JobDevices();
let isInterrupted = false;

serveMethods(self as unknown as PortLike, {
  run: async ({ task, news }: { task: JobTask; news: MessagePort }) => {
    isInterrupted = false;
    const outcome = await runJob(task, {
      openTuning: openNeuralTuning as OpenTuning,
      devices: () => devices.ranked(),
      clock: systemClock,
      tell: (told: JobNews) => news.postMessage(told),
      isInterrupted: () => isInterrupted,
    });
    return outcome.file === null ? outcome : new Transferred(outcome, [outcome.file.buffer]);
  },
  interrupt: () => {
    isInterrupted = true;
  },
  close: () => devices.close(),
});
