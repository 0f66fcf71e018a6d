import { systemClock } from "../base/clock.ts";
import { InvalidValueError } from "../base/errors.ts";
import { type Device, openHardware } from "../device/mod.ts";
import { DivergenceError } from "../training/divergence.ts";
import { parameterCount } from "../models/checkpoint.ts";
import { type TrainingAbout, TrainingFeed } from "../service/training_feed.ts";
import type { Command, CommandInput, CommandOutput } from "./command.ts";
import { EXIT_FAILED, EXIT_OK, PROGRAM, UsageError } from "./command.ts";
import { openProgress } from "./progress.ts";
import { formatNumber } from "./table.ts";
import { parseTrainConfig, type PretrainingConfig, type TrainConfig } from "./train/config.ts";
import { serveTraining } from "./train/dashboard.ts";
import { openData } from "./train/data.ts";
import { NEURAL_CHECKPOINTS, neuralStates, planNeural, runNeural } from "./train/neural_session.ts";
import { neuralCount } from "../models/neural/weights.ts";
import { BACKBONE_CHECKPOINTS, openRunFolder } from "./train/run_folder.ts";
import { RUN_FILES } from "./train/run_folder.ts";
import type { TrainingLine } from "../training/metrics_lines.ts";
import type { RunOptions, SessionResult } from "./train/run.ts";
import { backboneFor, resumeStates, runSession } from "./train/session.ts";

/** The device of a run, and how to close it. */
interface Opened {
  readonly device: Device;
  readonly name: string;
  close(): Promise<void>;
}

/** @throws {UsageError} `webgpu` is asked for and there is none */
async function openDevice(config: TrainConfig, output: CommandOutput): Promise<Opened> {
  const mode = config.device;
  const hardware = await openHardware({
    mode,
    log: output.note,
    ...(config.gpuBytes !== undefined && { budgetBytes: config.gpuBytes }),
  });
  const { gpu } = hardware;
  const close = () => hardware.close();
  if (mode === "webgpu" && gpu === undefined) {
    await close();
    throw new UsageError(`device is webgpu: ${hardware.gpuUnavailable}`);
  }
  // A software adapter is slower than the CPU's own code; only who names it gets it.
  if (gpu !== undefined && (mode === "webgpu" || !gpu.info.software)) {
    return { device: gpu, name: `webgpu (${gpu.info.description || gpu.info.device})`, close };
  }
  return { device: hardware.cpu, name: "cpu", close };
}

/** Tells whether Ctrl-C was pressed; a second one ends the process as ever. */
function watchInterrupts(output: CommandOutput): { isPressed: () => boolean; stop: () => void } {
  let isPressed = false;
  const listen = () => {
    isPressed = true;
    output.note("Stopping after this step, with a checkpoint");
    stop();
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  const known = signals.filter((signal) => Deno.build.os !== "windows" || signal === "SIGINT");
  function stop() {
    for (const signal of known) Deno.removeSignalListener(signal, listen);
  }
  for (const signal of known) Deno.addSignalListener(signal, listen);
  return { isPressed: () => isPressed, stop: () => isPressed || stop() };
}

function report(
  result: SessionResult & { readonly parameters: number },
  path: string,
  resumeWith: string,
): string[] {
  const { end, step, metrics, evaluation, parameters } = result;
  const figures = (values: Readonly<Record<string, number | undefined>>) =>
    Object.entries(values)
      .filter(([name]) => name !== "step")
      .map(([name, value]) => `${name} ${formatNumber(value ?? NaN)}`).join(", ");
  return [
    `${end} after ${step} steps, ${parameters} parameters`,
    ...(metrics ? [`training:   ${figures(metrics)}`] : []),
    ...(evaluation ? [`evaluation: ${figures(evaluation.evaluation)}`] : []),
    `${path}/${RUN_FILES.model}`,
    ...(end === "interrupted" ? [`Go on with: ${resumeWith}`] : []),
  ];
}

/** What the command line asks for, checked. */
interface Asked {
  readonly file: string;
  readonly config: TrainConfig;
  readonly path: string;
  readonly isResumed: boolean;
  readonly stopAt: number | undefined;
  /** Seconds after which the run ends with a checkpoint. */
  readonly untilS: number;
  readonly port: number | undefined;
}

async function readAsked(input: CommandInput): Promise<Asked> {
  const file = input.text("config");
  if (file === undefined) throw new UsageError("--config is missing");
  const config = parseTrainConfig(await Deno.readTextFile(file));
  const path = input.text("output") ?? config.output;
  if (path === undefined) throw new UsageError("--output is missing: the configuration has none");
  return {
    file,
    config,
    path,
    isResumed: input.isSet("resume"),
    stopAt: input.wholeNumber("steps", { least: 1, most: 1_000_000_000 }),
    untilS: input.wholeNumber("until-s", { least: 1, most: 10_000_000 }) ?? Infinity,
    port: input.wholeNumber("dashboard", { least: 0, most: 65_535 }),
  };
}

/** The page of the training where it is asked for; its feed takes the lines in any case. */
function openFeed({ config, path, port }: Asked, about: Omit<TrainingAbout, "output" | "steps">) {
  const feed = new TrainingFeed({ ...about, output: path, steps: config.training.steps });
  const page = port === undefined ? undefined : serveTraining(port, feed);
  return {
    feed,
    page,
    async close(state: string) {
      feed.end(state);
      await page?.close();
    },
  };
}

/** A run that its folder is open for. */
interface Prepared {
  readonly parameters: number;
  readonly known: readonly TrainingLine[];
  run(options: RunOptions): Promise<SessionResult>;
}

/** @throws {InvalidValueError} the checkpoint has the steps that are asked for already */
function checkStop({ stopAt }: Asked, { step }: { readonly step: number }): void {
  if (stopAt === undefined || stopAt > step) return;
  const wanted = `more than the ${step} steps of the checkpoint`;
  throw new InvalidValueError("--steps", stopAt, wanted);
}

async function prepareBackbone(asked: Asked): Promise<Prepared> {
  const { config, path, isResumed } = asked;
  const data = await openData(config);
  const model = backboneFor(config, data);
  const opened = await openRunFolder(path, config, isResumed, BACKBONE_CHECKPOINTS, (found) => {
    resumeStates(found, model, config);
    checkStop(asked, found);
  });
  return {
    parameters: parameterCount(model.config),
    known: opened.folder.known,
    run: (options) => runSession({ ...options, ...opened, data }),
  };
}

async function prepareNeural(asked: Asked, data: PretrainingConfig): Promise<Prepared> {
  const { config, path, isResumed } = asked;
  const plan = await planNeural(config, data);
  const opened = await openRunFolder(path, config, isResumed, NEURAL_CHECKPOINTS, (found) => {
    neuralStates(found, plan);
    checkStop(asked, found);
  });
  return {
    parameters: neuralCount(plan.network.config),
    known: opened.folder.known,
    run: (options) => runNeural({ ...options, ...opened, plan }),
  };
}

async function trainOn(opened: Opened, asked: Asked, output: CommandOutput) {
  const { config, stopAt, untilS } = asked;
  const { data } = config;
  const beginMs = systemClock.monotonicMs();
  const isLate = () => systemClock.monotonicMs() - beginMs >= 1000 * untilS;
  const { parameters, known, run } = data.kind === "pretraining"
    ? await prepareNeural(asked, data)
    : await prepareBackbone(asked);
  const watched = openFeed(asked, { device: opened.name, parameters });
  if (watched.page) output.note(`The training shows itself at ${watched.page.url}`);
  for (const line of known) watched.feed.add(line);
  const interrupts = watchInterrupts(output);
  const compiling = await openProgress("Compiling shaders", output.isProgressShown);
  const progress = await openProgress(`Training on ${opened.name}`, output.isProgressShown);
  const total = Math.min(stopAt ?? Infinity, config.training.steps);
  let state = "failed";
  try {
    const result = await run({
      ...{ device: opened.device, config, clock: systemClock },
      isInterrupted: (step) => interrupts.isPressed() || step === stopAt || isLate(),
      onCompile: (done, programs) => {
        compiling.update(done, programs);
        if (done === programs) compiling.stop();
      },
      onStep: (step) => progress.update(step, total),
      onLine: (line) => watched.feed.add(line),
    });
    state = result.end;
    return { ...result, parameters };
  } finally {
    compiling.stop();
    progress.stop();
    interrupts.stop();
    await watched.close(state);
  }
}

/** `train`: a backbone on series files or on a task, a neural forecaster on drawn series. */
export const trainCommand: Command = {
  name: "train",
  summary: "Train a model on series files, on a task or on drawn series",
  usage:
    "--config FILE.json [--output FOLDER] [--resume] [--steps N] [--until-s S] [--dashboard PORT]",
  description:
    "The configuration names data, model and training: docs/training.md, and docs/neural.md for\n" +
    "the neural forecaster. The folder gets the configuration, metrics.jsonl,\n" +
    "checkpoint.safetensors and model.safetensors. Ctrl-C saves a checkpoint; --resume goes on\n" +
    "from it as if there had been no break.",
  options: {
    config: { type: "string", value: "FILE", help: "The configuration, JSON" },
    output: { type: "string", value: "FOLDER", help: "Default: the configuration's output" },
    resume: { type: "boolean", help: "Go on from the folder's checkpoint" },
    steps: { type: "string", value: "N", help: "Interrupt after N steps in all" },
    "until-s": { type: "string", value: "S", help: "Interrupt after this time, s" },
    dashboard: { type: "string", value: "PORT", help: "Show it live on loopback; 0 = any free" },
  },
  async run(input, output) {
    const asked = await readAsked(input);
    const opened = await openDevice(asked.config, output);
    try {
      const result = await trainOn(opened, asked, output);
      const resumeWith = `${PROGRAM} train --config ${asked.file} --output ${asked.path} --resume`;
      if (input.isSet("json")) output.print(JSON.stringify({ ...result, output: asked.path }));
      else report(result, asked.path, resumeWith).forEach(output.print);
      return EXIT_OK;
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      output.note(`${error.message}. ${asked.path} keeps the last healthy checkpoint, if any`);
      return EXIT_FAILED;
    } finally {
      await opened.close();
    }
  },
};
