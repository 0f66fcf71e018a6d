/// <reference lib="deno.worker" />
/** The thread that runs jobs: only translates messages, and holds the devices between jobs. */
import { systemClock } from "../base/clock.ts";
import { type PortLike, serveMethods, Transferred } from "../base/remote_port.ts";
import { openNeuralTuning } from "../training/neural_tuning.ts";
import { inspectNetwork } from "./built_in_models.ts";
import { JobDevices } from "./job_devices.ts";
import { NEWS_END, type WorkerOptions } from "./job_port.ts";
import { type JobNews, type JobTask, type OpenTuning, runJob } from "./job_run.ts";

/** What a file says of itself does not depend on the name. */
const MADE = "made";

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
    const running = runJob(task, {
      openTuning: openNeuralTuning as OpenTuning,
      // Here, since reading a network takes longer than the thread that answers may stand still.
      inspect: (bytes) => inspectNetwork(MADE, bytes),
      devices: (work) => opened().ranked(work),
      clock: systemClock,
      tell: (told: JobNews) => news.postMessage(told),
      isInterrupted: () => isInterrupted,
    });
    const outcome = await running.finally(() => news.postMessage(NEWS_END));
    const { file } = outcome;
    return file === null ? outcome : new Transferred(outcome, [file.bytes.buffer]);
  },
  interrupt: () => {
    isInterrupted = true;
  },
  close: () => devices?.close(),
});
