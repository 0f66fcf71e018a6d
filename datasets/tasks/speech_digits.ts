/**
 * Speech digits: name the spoken digit from its raw waveform at 8 kHz, no spectrum in between.
 *
 * Recordings of the Free Spoken Digit Dataset (Jakobovski, CC BY-SA 4.0): `DIGIT_SPEAKER_TAKE.wav`,
 * two speakers with twelve takes of each digit. `heldOut` tells what is kept for the test:
 *
 *   1  all of speaker nicolas      2  all of speaker jackson      3  takes 9 to 11 of both
 *
 * The form of the task is that of raw speech commands in Gu et al., S4 (arXiv 2111.00396), section
 * 4.3, with 35 words, 16 000 samples and 85 000 recordings. With 120 recordings of one speaker to
 * learn from, what is asked is far less data and a voice never heard.
 *
 * Training examples are varied: speed 0.85 to 1.18 (linear interpolation), place within the
 * length, gain, and a little noise. Test examples are the recordings as they are, each once, from
 * sample 0 on; rows beyond the last recording have weight 0. Every recording is scaled to a root
 * mean square of 1.
 */
import { NotFoundError } from "../../src/base/errors.ts";
import { nextNormal, type RandomState } from "../../src/base/random.ts";
import { wav } from "../../src/protocols/wav.ts";
import type { Minibatch, MinibatchRequest, Task, TaskSetting } from "./task.ts";
import { checkNames, checkRange, examplesOf } from "./task.ts";
import { blank, nextBelow, nextBetween, randomOf } from "./_helpers/draw.ts";

const DIGITS = 10;
const SETTING: TaskSetting = { length: 8000, heldOut: 1 };
const HELD_SPEAKERS = ["nicolas", "jackson"];
const HELD_TAKE_LEAST = 9;

/** Standard deviation of the noise that training adds to a waveform of root mean square 1. */
const NOISE = 0.02;

/** One recording, root mean square 1. */
interface Recording {
  readonly name: string;
  readonly digit: number;
  readonly speaker: string;
  readonly take: number;
  readonly samples: Float64Array;
}

/** Folder of the recordings: `spoken_digits` in the `data` folder of DRIFTLINE_SHARED. */
function folder(): string {
  const shared = Deno.env.get("DRIFTLINE_SHARED") ?? `${import.meta.dirname}/../../../shared`;
  return `${shared}/data/spoken_digits`;
}

/** Whether the recordings are there. */
export function hasSpeechDigits(): boolean {
  try {
    return Deno.statSync(folder()).isDirectory;
  } catch {
    return false;
  }
}

function check(setting: TaskSetting): void {
  checkNames({ setting: SETTING }, setting);
  checkRange(setting, "length", 256, 65_536);
  checkRange(setting, "heldOut", 1, 3);
}

function isHeldOut(recording: Recording, heldOut: number): boolean {
  const speaker = HELD_SPEAKERS[heldOut - 1];
  return speaker === undefined ? recording.take >= HELD_TAKE_LEAST : recording.speaker === speaker;
}

function readRecording(path: string, name: string): Recording | undefined {
  const parts = /^(\d)_([a-z]+)_(\d+)\.wav$/.exec(name);
  if (parts === null) return undefined;
  const decoder = wav.open({ streamId: name, startNs: 0n });
  decoder.push(Deno.readFileSync(`${path}/${name}`));
  const samples = decoder.finish().segments[0]!.values[0]!;
  let power = 0;
  for (const sample of samples) power += sample * sample;
  const scale = 1 / Math.max(1e-6, Math.sqrt(power / samples.length));
  return {
    name,
    digit: Number(parts[1]),
    speaker: parts[2]!,
    take: Number(parts[3]),
    samples: samples.map((sample) => scale * sample),
  };
}

/** @throws {NotFoundError} the folder is not there or holds no recording */
function readRecordings(): Recording[] {
  if (!hasSpeechDigits()) throw new NotFoundError("folder of recordings", folder());
  const path = folder();
  const found = [...Deno.readDirSync(path)].flatMap(({ name }) => readRecording(path, name) ?? []);
  if (found.length === 0) throw new NotFoundError("recording in", path);
  // The order of a folder's entries is the file system's.
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** A recording as it is, cut at the end of the row. */
function copyInto(out: Float32Array, samples: Float64Array): void {
  out.set(samples.subarray(0, out.length));
}

/** A recording at another speed, place and gain, with noise. */
function variedInto(out: Float32Array, samples: Float64Array, random: RandomState): void {
  const speed = nextBetween(random, 0.85, 1.18);
  const gain = nextBetween(random, 0.6, 1.5);
  const count = Math.min(out.length, Math.floor((samples.length - 1) / speed));
  const start = nextBelow(random, out.length - count + 1);
  for (let i = 0; i < count; i++) {
    const at = i * speed;
    const left = Math.floor(at);
    const share = at - left;
    out[start + i] = gain * ((1 - share) * samples[left]! + share * samples[left + 1]!);
  }
  for (let i = 0; i < out.length; i++) out[i] = out[i]! + NOISE * nextNormal(random);
}

/** Speech digits; see the head of this file. */
export const speechDigits: Task = {
  name: "speech-digits",
  title: "Speech digits, raw waveform",
  source: "in the form of raw speech commands, arXiv 2111.00396, section 4.3, with far less data",
  setting: SETTING,
  figure: { kind: "accuracy", chance: 1 / DIGITS },
  shape(setting) {
    check(setting);
    return {
      input: { kind: "signal", feature: 1 },
      output: { kind: "classes", size: DIGITS, at: "end" },
    };
  },
  // deno-lint-ignore require-await
  async open() {
    const recordings = readRecordings();
    return examplesOf(check, (request) => {
      const heldOut = request.setting["heldOut"]!;
      const isTest = request.split === "test";
      const chosen = recordings.filter((each) => isHeldOut(each, heldOut) === isTest);
      return isTest ? testBatch(request, chosen) : trainingBatch(request, chosen);
    });
  },
};

function empty({ batch, setting: { length } }: MinibatchRequest) {
  return { input: blank([batch, length, 1]), target: blank([batch]), weight: blank([batch]) };
}

function trainingBatch(request: MinibatchRequest, recordings: readonly Recording[]): Minibatch {
  const { batch, setting: { length } } = request;
  const { input, target, weight } = empty(request);
  const random = randomOf(request);
  for (let row = 0; row < batch; row++) {
    const { samples, digit } = recordings[nextBelow(random, recordings.length)]!;
    variedInto(input.data.subarray(row * length, (row + 1) * length), samples, random);
    target.data[row] = digit;
    weight.data[row] = 1;
  }
  return { input: input.tensor, target: target.tensor, weight: weight.tensor };
}

function testBatch(request: MinibatchRequest, recordings: readonly Recording[]): Minibatch {
  const { batch, step, setting: { length } } = request;
  const { input, target, weight } = empty(request);
  for (let row = 0; row < batch; row++) {
    const recording = recordings[step * batch + row];
    if (recording === undefined) break;
    copyInto(input.data.subarray(row * length, (row + 1) * length), recording.samples);
    target.data[row] = recording.digit;
    weight.data[row] = 1;
  }
  return { input: input.tensor, target: target.tensor, weight: weight.tensor };
}
