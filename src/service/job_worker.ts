/// <reference lib="deno.worker" />
/** The thread that runs jobs: only translates messages, and holds the devices between jobs. */
import { systemClock } from "../base/clock.ts";
import { type PortLike, serveMethods, Transferred } from "../base/remote_port.ts";
import { openNeuralTuning } from "../training/neural_tuning.ts";
import { JobDevices } from "./job_devices.ts";
import type { WorkerOptions } from "./job_port.ts";
import { type JobNews, type JobTask, type OpenTuning, runJob } from "./job_run.ts";

let devices: JobDevices | undefined;
let isInterrupted = false;

/** @throws {TypeError} nothing was opened */
function opened(): JobDevices {
  if (devices === undefined) throw new TypeError("The devices of the jobs are not open");
  return devices;
}

serveMethods(self as unknown as PortLike, {
  open: ({ mode, cacheFile, notes }: WorkerOptions & { readonly notes: MessagePort }) => {
    const log = (message: string) => notes.postMessage(message);
    devices = new JobDevices({ mode, cacheFile, clock: systemClock, log });
  },
  report: () => opened().report(),
  run: async ({ task, news }: { task: JobTask; news: MessagePort }) => {
    isInterrupted = false;
    const outcome = await runJob(task, {
      openTuning: openNeuralTuning as OpenTuning,
      devices: (work) => opened().ranked(work),
      clock: systemClock,
      tell: (told: JobNews) => news.postMessage(told),
      isInterrupted: () => isInterrupted,
    });
    return outcome.file === null ? outcome : new Transferred(outcome, [outcome.file.buffer]);
  },
  interrupt: () => {
    isInterrupted = true;
  },
  close: () => devices?.close(),
});
