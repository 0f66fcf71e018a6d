/** Every generator by name. */
import { NotFoundError } from "../../src/base/errors.ts";
import { auction } from "./auction.ts";
import { brainWaves } from "./brain_waves.ts";
import { business } from "./business.ts";
import { counts } from "./counts.ts";
import { cycles } from "./cycles.ts";
import { demand } from "./demand.ts";
import { energy } from "./energy.ts";
import { environment } from "./environment.ts";
import { epidemic } from "./epidemic.ts";
import { gaussianProcess } from "./gaussian_process.ts";
import type { Generator } from "./generator.ts";
import { oscillator } from "./oscillator.ts";
import { price } from "./price.ts";
import { pulses } from "./pulses.ts";
import { seasonal } from "./seasonal.ts";
import { sound } from "./sound.ts";
import { states } from "./states.ts";
import { trade } from "./trade.ts";
import { traffic } from "./traffic.ts";
import { visits } from "./visits.ts";

/** Every generator, the broadest first. */
export const GENERATORS: readonly Generator[] = [
  seasonal,
  gaussianProcess,
  business,
  trade,
  visits,
  demand,
  energy,
  auction,
  traffic,
  environment,
  epidemic,
  cycles,
  counts,
  price,
  oscillator,
  states,
  brainWaves,
  sound,
  pulses,
];

/** @throws {NotFoundError} no generator has this name */
export function generatorByName(name: string): Generator {
  const found = GENERATORS.find((generator) => generator.name === name);
  if (found === undefined) throw new NotFoundError("generator", name);
  return found;
}
