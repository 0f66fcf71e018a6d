import { InvalidValueError } from "../base/errors.ts";
import type { Store, StreamRecord } from "../stores/store.ts";
import type { Engine, ForecastRequest, ForecastResult, PastQuestion } from "../streams/engine.ts";
import { answersFromState, REGRESSED_SAMPLES_MAX } from "../streams/regressed.ts";
import { newestUntil } from "../streams/rewind.ts";

/** A forecast as it is asked for: levels in per cent name the intervals of the answer. */
export interface ForecastQuestion extends ForecastRequest {
  readonly levels: readonly number[];
  /** What is taken to be known, where it is not just what is. */
  readonly past?: PastQuestion;
}

/** What forecasts of stored streams are made from. */
export interface ForecastParts {
  readonly store: Store;
  readonly engine: Engine;
}

/**
 * The forecast of a stored stream: from its state, from that of another past, or from its newest
 * samples where more is told than the state knows to take.
 *
 * @throws {InvalidValueError} no such channel, no sample, a time that is not after the origin
 * @throws {OverloadError} as the engine's
 */
export async function streamForecast(
  parts: ForecastParts,
  record: StreamRecord,
  question: ForecastQuestion,
): Promise<ForecastResult> {
  const { levels: _, past, ...request } = question;
  requireChannels(request.channels, record.channels);
  if (past !== undefined) checkPast(past, record.channels, request);
  if (!answersFromState(request.regressors, record.settings)) {
    return await regressed(parts, record, request, past);
  }
  return past === undefined
    ? await parts.engine.forecast(record.id, request)
    : await parts.engine.forecastAsOf(record.id, past, request);
}

/** A forecast with regressors, from the newest samples that are stored, or were by then. */
async function regressed(
  { store, engine }: ForecastParts,
  record: StreamRecord,
  request: ForecastRequest,
  past: PastQuestion | undefined,
): Promise<ForecastResult> {
  const { id, settings } = record;
  const samples = past === undefined
    ? (await store.readTails([id], REGRESSED_SAMPLES_MAX))[0]
    : await newestUntil(store, record, past, REGRESSED_SAMPLES_MAX);
  if (samples === null || samples === undefined) {
    throw new InvalidValueError("stream", id, "a stream with a value in it");
  }
  // What the state knows of declared covariates is learned from these samples once more.
  return await engine.forecastOnce(samples, { ...settings, covariates: [] }, request);
}

/** @throws {InvalidValueError} a channel that the stream does not have */
export function requireChannels(
  asked: readonly string[] | undefined,
  known: readonly string[],
): void {
  for (const name of asked ?? []) {
    if (known.includes(name)) continue;
    const shown = known.slice(0, 20).join(", ");
    throw new InvalidValueError("channel", name, known.length === 0 ? "a channel" : shown);
  }
}

/**
 * @throws {InvalidValueError} no such channel is left out, all are, or one that is asked about;
 *   what is supposed has another channel
 */
function checkPast(
  { without, suppose }: PastQuestion,
  known: readonly string[],
  { channels = [], regressors }: ForecastRequest,
): void {
  for (const name of suppose?.channels ?? []) {
    if (known.includes(name) && !without.includes(name)) continue;
    const left = known.filter((other) => !without.includes(other)).slice(0, 20);
    throw new InvalidValueError("suppose.channels", name, `one of ${left.join(", ")}`);
  }
  const used = [...channels, ...Object.keys(regressors?.covariates ?? {})];
  const isNoneLeft = known.every((name) => without.includes(name));
  const refuse = (name: string, expected: string): never => {
    throw new InvalidValueError("without", name, expected);
  };
  for (const name of without) {
    if (!known.includes(name)) refuse(name, `one of ${known.slice(0, 20).join(", ")}`);
    if (isNoneLeft) refuse(name, "not all channels");
    if (used.includes(name)) refuse(name, "a channel that is not asked about");
  }
}
