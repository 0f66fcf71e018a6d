import { StateMismatchError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { packTree, type Tree, unpackTree } from "../base/tree.ts";
import { INFORMED_VERSION } from "../models/informed.ts";
import type { FlagSettings, StreamSettings } from "../stores/store.ts";
import { type FeedbackState, initialFeedback } from "./feedback.ts";

/** Version of the envelope's form; part of the model hash, so that an old state is rebuilt. */
export const STATE_VERSION = 2;

/** One channel's part of a stream's state. */
export interface ChannelState {
  readonly name: string;
  /** Time of the channel's first value: what its model counts seconds from. */
  readonly epochNs: bigint;
  readonly state: Tree;
}

/** The detector's part; it grows when the stream gets a channel. */
export interface DetectorState {
  readonly channels: number;
  readonly state: Tree;
}

/**
 * A stream's whole state (the vocabulary's StreamState): a pure function of the settings,
 * of the in-order samples, whatever segments they came in, and of the feedback at its place among
 * them.
 */
export interface Envelope {
  version: number;
  modelHash: string;
  /** Time of the stream's first sample; null before. */
  epochNs: bigint | null;
  lastNs: bigint | null;
  /** Time of the sample before the last one, for steps by the calendar. */
  previousNs: bigint | null;
  /** In-order samples absorbed. */
  sampleCount: number;
  /** In the order of their first values; at one time by name. */
  channels: ChannelState[];
  detector: DetectorState | null;
  feedback: FeedbackState;
}

/** The state of a stream that has seen nothing. */
export function emptyEnvelope(modelHash: string): Envelope {
  return {
    version: STATE_VERSION,
    modelHash,
    epochNs: null,
    lastNs: null,
    previousNs: null,
    sampleCount: 0,
    channels: [],
    detector: null,
    feedback: initialFeedback(),
  };
}

/** The envelope as bytes, and their SHA-256: the state hash. */
export function packEnvelope(
  envelope: Envelope,
): { bytes: Uint8Array<ArrayBuffer>; stateHash: string } {
  const bytes = packTree(envelope as unknown as Tree);
  return { bytes, stateHash: sha256Hex(bytes) };
}

/**
 * Reads what {@linkcode packEnvelope} wrote.
 *
 * @throws {StateMismatchError} another model, other settings or another version made it
 * @throws {SyntaxError} the bytes are damaged
 */
export function readEnvelope(bytes: Uint8Array, modelHash: string): Envelope {
  const envelope = unpackTree(bytes) as unknown as Envelope;
  if (envelope.modelHash !== modelHash) {
    throw new StateMismatchError(modelHash, envelope.modelHash);
  }
  return envelope;
}

/**
 * Names everything that decides how samples become a state: model, detector, settings, and the
 * form of the envelope. Equal hashes and equal in-order logs give equal states, bit for bit.
 */
export function modelHashOf(
  settings: StreamSettings,
  modelName: string,
  detectorName: string | null,
): string {
  const ranges = Object.keys(settings.channels).sort().map((name): Tree => {
    const { lower, upper, missing = [] } = settings.channels[name]!;
    const bounds = [name, lower ?? null, upper ?? null];
    return missing.length === 0 ? bounds : [...bounds, [...missing].sort((a, b) => a - b)];
  });
  return sha256Hex(packTree({
    version: STATE_VERSION,
    model: modelName,
    detector: detectorName,
    horizon: settings.horizon,
    seasonsS: settings.seasonsS,
    ...(settings.flags === undefined ? {} : { flags: flagsTree(settings.flags) }),
    ...(settings.covariates === undefined
      ? {}
      : { covariates: settings.covariates, informed: INFORMED_VERSION }),
    ranges,
  }));
}

/** In an order of its own, so that equal settings hash alike however they were written. */
function flagsTree({ falseAlarmRate, repeats, effectMin, coolDownS }: FlagSettings): Tree {
  return [falseAlarmRate ?? null, repeats ?? null, effectMin ?? null, coolDownS ?? null];
}
