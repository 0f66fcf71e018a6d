/// <reference lib="deno.worker" />
/**
 * The thread that owns the SQLite file. It only translates messages into calls of
 * {@linkcode SqliteCore}; that every call is synchronous makes the answers keep their order.
 */
import {
  encodeError,
  type PortLike,
  registerErrorClass,
  serveMethods,
  Transferred,
} from "../../base/remote_port.ts";
import type { Segment } from "../../signal/segment.ts";
import {
  type Commit,
  CorruptChunkError,
  type LedgerChange,
  type StreamSettings,
} from "../store.ts";
import { packResult, type SentResult } from "./sent_result.ts";
import { type AppendRequest, SqliteCore } from "./sqlite_core.ts";

/** What became of one request, on its way to the other thread. */
export type SentOutcome =
  | { readonly results: SentResult[] }
  | { readonly error: ReturnType<typeof encodeError> };

let core: SqliteCore | undefined;

function opened(): SqliteCore {
  if (core === undefined) throw new TypeError("The store is not open");
  return core;
}

/** Views may lie in large buffers; only what they show travels, and it moves. */
function packed(segment: Segment): Segment {
  return {
    streamId: segment.streamId,
    channels: segment.channels,
    timestampsNs: segment.timestampsNs.slice(),
    values: segment.values.map((column) => column.slice()),
  };
}

function buffersOf(segments: readonly (Segment | null)[]): Transferable[] {
  return segments.flatMap((segment) =>
    segment === null
      ? []
      : [segment.timestampsNs.buffer, ...segment.values.map((column) => column.buffer)]
  ) as Transferable[];
}

function sendSegments(segments: readonly (Segment | null)[]): Transferred<(Segment | null)[]> {
  const copies = segments.map((segment) => segment === null ? null : packed(segment));
  return new Transferred(copies, buffersOf(copies));
}

function sendSegment(segment: Segment | null): Transferred<Segment | null> {
  const { value, buffers } = sendSegments([segment]);
  return new Transferred(value[0]!, buffers);
}

function append(given: { requests: readonly AppendRequest[]; nowNs: bigint }): SentOutcome[] {
  const outcomes = opened().append(given.requests, given.nowNs);
  return outcomes.map((outcome, at): SentOutcome => {
    if ("error" in outcome) return { error: encodeError(outcome.error) };
    const { segments } = given.requests[at]!;
    return { results: outcome.results.map((result, at) => packResult(result, segments[at])) };
  });
}

interface RangeArgument {
  readonly id: string;
  readonly fromNs: bigint;
  readonly toNs: bigint;
  readonly limit: number;
}

registerErrorClass(CorruptChunkError);
serveMethods(self as unknown as PortLike, {
  open: (path: string) => {
    core = new SqliteCore(path);
    return core.faults;
  },
  append,
  putStream: (given: { id: string; settings: Partial<StreamSettings>; nowNs: bigint }) =>
    opened().putStream(given.id, given.settings, given.nowNs),
  getStream: (id: string) => opened().getStream(id),
  listStreams: (given: { after: string; limit: number }) =>
    opened().listStreams(given.after, given.limit),
  listBehind: (given: { after: string; limit: number }) =>
    opened().listBehind(given.after, given.limit),
  deleteStream: (id: string) => opened().deleteStream(id),
  readInOrder: (given: { id: string; fromOffset: number; limit: number }) =>
    sendSegment(opened().readInOrder(given.id, given.fromOffset, given.limit)),
  readObservations: (given: RangeArgument) =>
    sendSegment(opened().readObservations(given.id, given.fromNs, given.toNs, given.limit)),
  readTails: (given: { ids: readonly string[]; count: number }) =>
    sendSegments(given.ids.map((id) => opened().readTail(id, given.count))),
  latestSnapshot: (given: { id: string; modelHash: string | undefined }) =>
    opened().latestSnapshot(given.id, given.modelHash),
  commit: (commits: readonly Commit[]) => opened().commit(commits),
  readEvents: (given: RangeArgument) =>
    opened().readEvents(given.id, given.fromNs, given.toNs, given.limit),
  countEvents: (given: { ids: readonly string[]; fromNs: bigint }) =>
    given.ids.map((id) => opened().countEvents(id, given.fromNs)),
  readFeed: (given: { after: number; limit: number }) =>
    opened().readFeed(given.after, given.limit),
  readLedger: (given: { ledger: string; after: string; limit: number }) =>
    opened().readLedger(given.ledger, given.after, given.limit),
  writeLedger: (change: LedgerChange) => opened().writeLedger(change),
  readForecasts: (given: { id: string; limit: number }) =>
    opened().readForecasts(given.id, given.limit),
  stats: () => opened().stats(),
  close: () => {
    core?.close();
    core = undefined;
  },
});
