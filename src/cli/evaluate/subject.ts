/** What is evaluated: a model that serves, or a peer. */
import { InvalidValueError } from "../../base/errors.ts";
import { fnv1a32 } from "../../base/hash.ts";
import { packTree, type Tree } from "../../base/tree.ts";
import type { Model } from "../../models/model.ts";
import {
  COMMITTEE_NETWORKS,
  DEFAULT_MODEL,
  modelNamed,
  modelNames,
  MODELS,
  networkNamed,
  NEURAL_MODEL,
  setModel,
} from "../../models/mod.ts";
import { decodeWeights } from "../../models/neural/weights.ts";
import { serveShippedWeights } from "../../service/weights.ts";
import { timesS } from "../../signal/segment.ts";
import { type Augurs, AUGURS_VERSION, type AugursMethod, loadAugurs } from "../peers/augurs.ts";
import { seasonalNaive } from "../peers/seasonal_naive.ts";
import { SCORED_QUANTILES } from "./score.ts";
import { gridOf, type Trial } from "./settings.ts";

/** A context that has been taken in. */
export interface Fitted {
  /** Quantiles at slots after the origin; row-major.                        [lead, quantile] */
  forecast(slots: Float64Array): Float64Array;
  /** Bytes of what is kept between samples; null of a peer, which keeps the samples. */
  readonly stateBytes: number | null;
}

/** Something that forecasts windows. */
export interface Subject {
  readonly name: string;
  /** What {@linkcode openSubject} opens it by. */
  readonly source: string;
  /** Name and version, by which results are told apart. */
  readonly version: string;
  readonly isPeer: boolean;
  fit(trial: Trial): Fitted;
}

/** The baseline of all ratios: the kit's own Seasonal Naive. */
export const BASELINE = "seasonal-naive";

/** The same without a season: the last value. */
export const NAIVE = "naive";

const AUGURS: Readonly<Record<string, AugursMethod>> = {
  "augurs-mstl": "mstl",
  "augurs-ets": "ets",
};

/** The peers that are measured here. */
export const PEER_NAMES: readonly string[] = [BASELINE, NAIVE, ...Object.keys(AUGURS)];

/** The committee without the voice of its network. */
export const PLAIN_COMMITTEE = "committee-plain";

/** Begins the source of a checkpoint: the path of its weights follows. */
export const CHECKPOINT_PREFIX = "@";

/** Begins the source of a model that is fed sample by sample, as it is served: its name follows. */
export const LIVE_PREFIX = "live:";

/** Everything that can be evaluated, models first; those with networks where their weights are. */
export function subjectNames(): string[] {
  serveShippedWeights();
  const plain = COMMITTEE_NETWORKS.some((name) => networkNamed(name) !== undefined)
    ? [PLAIN_COMMITTEE]
    : [];
  return [...modelNames(), ...plain, ...PEER_NAMES];
}

/** Every name that {@linkcode openSubject} opens. */
export function openableNames(): string[] {
  return [...new Set([...subjectNames(), PLAIN_COMMITTEE])];
}

function seasonsOf({ hint, season, step, slotS, seasonsS = [] }: Trial): number[] {
  if (seasonsS.length > 0) return [...seasonsS];
  if (hint === "found") return [];
  // A season of one sample is the way to say that there is none.
  return [(hint === "none" ? 1 : season) * step * slotS];
}

/** A model that is put to the end of each context at once, or, live, goes through its samples. */
function modelSubject(name: string, model: Model, source = name, isLive = false): Subject {
  return {
    name,
    source,
    version: model.name,
    isPeer: false,
    fit(trial) {
      const timeOf = (slot: number) => trial.startNs + BigInt(Math.round(slot * trial.slotS * 1e9));
      const timestampsNs = BigInt64Array.from(trial.slots, timeOf);
      const epochNs = timestampsNs[0]!;
      const config = {
        epochNs,
        horizon: trial.horizon,
        lower: trial.lower ?? null,
        upper: trial.upper ?? null,
        seed: fnv1a32(trial.id),
        seasonsS: seasonsOf(trial),
      };
      const times = timesS(timestampsNs, epochNs);
      const whole = model as Model & { stateOfContext?: unknown };
      let state: Tree;
      if (!isLive && typeof whole.stateOfContext === "function") {
        state = whole.stateOfContext(config, times, trial.values);
      } else {
        state = model.initialState(config);
        model.absorb(state, times, trial.values);
      }
      return {
        forecast(slots) {
          const targets = BigInt64Array.from(slots, timeOf);
          return model.forecast(state, timesS(targets, epochNs), SCORED_QUANTILES);
        },
        get stateBytes() {
          return packTree(state).length;
        },
      };
    },
  };
}

/** So near to a whole lead a lead is one. */
const WHOLE_LEAD = 1e-6;

/** Rows at whole leads 1, 2, …, drawn as straight lines between them and from the last value. */
function betweenLeads(rows: Float64Array, last: number, leads: Float64Array): Float64Array {
  const width = SCORED_QUANTILES.length;
  const at = (lead: number, q: number) => lead === 0 ? last : rows[(lead - 1) * width + q]!;
  const out = new Float64Array(leads.length * width);
  leads.forEach((exact, row) => {
    // Time stamps of a file are whole periods but for rounding.
    const whole = Math.round(exact);
    const lead = Math.abs(exact - whole) < WHOLE_LEAD ? whole : exact;
    const [low, high] = [Math.floor(lead), Math.ceil(lead)];
    for (let q = 0; q < width; q++) {
      const below = at(low, q);
      out[row * width + q] = low === high ? below : below + (lead - low) * (at(high, q) - below);
    }
  });
  return out;
}

function peerSubject(
  name: string,
  version: string,
  forecast: (trial: Trial, context: Float64Array) => Float64Array,
): Subject {
  return {
    name,
    source: name,
    version,
    isPeer: true,
    fit(trial) {
      const context = gridOf(trial);
      const rows = forecast(trial, context);
      return {
        stateBytes: null,
        forecast: (slots) =>
          betweenLeads(
            rows,
            context.at(-1)!,
            slots.map((slot) => (slot - trial.origin) / trial.step),
          ),
      };
    },
  };
}

const DAY_S = 86_400;

/** The season that the peers are told: days have their week even where the window names none. */
function peerSeason({ season, step, slotS, hint }: Trial): number {
  if (hint !== "given") return 1;
  return season === 1 && step * slotS === DAY_S ? 7 : season;
}

function augursSubject(name: string, augurs: Augurs): Subject {
  const method = AUGURS[name]!;
  return peerSubject(name, AUGURS_VERSION, (trial, context) =>
    augurs.forecast({
      context,
      season: peerSeason(trial),
      horizon: trial.horizon,
      method,
      quantiles: SCORED_QUANTILES,
    }));
}

/** The weights of a step of a training, as a model of their own: `neural@12000`. */
async function checkpointSubject(source: string): Promise<Subject> {
  const bytes = await Deno.readFile(source.slice(CHECKPOINT_PREFIX.length));
  const { config, step } = decodeWeights(bytes);
  const family = config.kind === "s5" ? NEURAL_MODEL : `${NEURAL_MODEL}_${config.kind}`;
  const name = `${family}-${step}`;
  setModel(name, bytes);
  return modelSubject(`${family}@${step}`, modelNamed(name) as Model, source);
}

/** The model of a name, the committee without its network too; undefined where it is a peer. */
export function subjectModel(name: string): Model | undefined {
  serveShippedWeights();
  if (name === PLAIN_COMMITTEE) return MODELS[DEFAULT_MODEL]! as Model;
  return modelNames().includes(name) ? modelNamed(name) as Model : undefined;
}

/**
 * Opens a subject by its source: a name, {@linkcode LIVE_PREFIX} and a name, or
 * {@linkcode CHECKPOINT_PREFIX} and a path.
 *
 * @returns null where it is a peer whose package is not installed
 * @throws {InvalidValueError} nothing has this name; the message lists what does
 */
export async function openSubject(source: string): Promise<Subject | null> {
  serveShippedWeights();
  if (source.startsWith(CHECKPOINT_PREFIX)) return await checkpointSubject(source);
  const isLive = source.startsWith(LIVE_PREFIX);
  const name = isLive ? source.slice(LIVE_PREFIX.length) : source;
  const model = subjectModel(name);
  if (model !== undefined) return modelSubject(name, model, source, isLive);
  if (source === BASELINE || source === NAIVE) {
    return peerSubject(source, "1", ({ season, horizon }, context) =>
      seasonalNaive({
        context,
        season: source === NAIVE ? 1 : season,
        horizon,
        quantiles: SCORED_QUANTILES,
      }));
  }
  if (Object.hasOwn(AUGURS, source)) {
    const augurs = await loadAugurs();
    return augurs === null ? null : augursSubject(source, augurs);
  }
  throw new InvalidValueError("models", source, `one of ${openableNames().join(", ")}`);
}
