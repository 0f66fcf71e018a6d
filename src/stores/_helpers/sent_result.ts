import type { Segment } from "../../signal/segment.ts";
import type { AppendResult, Conflict, StreamSettings } from "../store.ts";
import { LruMap } from "./lru.ts";

/**
 * A result on its way from the store's thread: a list, since the twenty names of a result's fields
 * would cost more than all else in it. Settings travel as text, which both sides know by heart.
 */
export type SentResult = readonly [
  streamId: string,
  created: boolean,
  accepted: number,
  duplicates: number,
  late: number,
  rejected: number,
  /** Null when there is none. */
  conflicts: readonly Conflict[] | null,
  /** True = all rows of the request's segment, which the other side has. */
  inOrder: Segment | true | null,
  inOrderStart: number,
  replayed: boolean,
  logOffset: number,
  createdNs: bigint,
  settings: string,
  channels: readonly string[],
  inOrderCount: number,
  firstNs: bigint | null,
  lastNs: bigint | null,
];

/** Texts of settings whose meaning is remembered. */
export const SETTINGS_KEPT_MAX = 1_024;

const texts = new WeakMap<StreamSettings, string>();
const meanings = new LruMap<string, StreamSettings>(SETTINGS_KEPT_MAX);

function textOf(settings: StreamSettings): string {
  let text = texts.get(settings);
  if (text === undefined) {
    text = JSON.stringify(settings);
    texts.set(settings, text);
  }
  return text;
}

/** What a text means; the same object each time, so nobody may change it. */
function settingsOf(text: string): StreamSettings {
  let settings = meanings.get(text);
  if (settings === undefined) {
    settings = JSON.parse(text) as StreamSettings;
    meanings.set(text, settings);
  }
  return settings;
}

/** @param segment  what the request sent for this result */
export function packResult(result: AppendResult, segment: Segment | undefined): SentResult {
  const { record, conflicts, inOrder } = result;
  return [
    result.streamId,
    result.created,
    result.accepted,
    result.duplicates,
    result.late,
    result.rejected,
    conflicts.length === 0 ? null : conflicts,
    inOrder !== null && inOrder === segment ? true : inOrder,
    result.inOrderStart,
    result.replayed,
    record.logOffset,
    record.createdNs,
    textOf(record.settings),
    record.channels,
    record.inOrderCount,
    record.firstNs,
    record.lastNs,
  ];
}

/** The result that {@linkcode packResult} took. */
export function unpackResult(sent: SentResult, segment: Segment | undefined): AppendResult {
  const [
    streamId,
    created,
    accepted,
    duplicates,
    late,
    rejected,
    conflicts,
    inOrder,
    inOrderStart,
    replayed,
    logOffset,
    createdNs,
    settings,
    channels,
    inOrderCount,
    firstNs,
    lastNs,
  ] = sent;
  return {
    streamId,
    created,
    accepted,
    duplicates,
    late,
    rejected,
    conflicts: conflicts ?? [],
    logOffset,
    inOrder: inOrder === true ? segment! : inOrder,
    inOrderStart,
    record: {
      id: streamId,
      createdNs,
      settings: settingsOf(settings),
      channels,
      logOffset,
      inOrderCount,
      firstNs,
      lastNs,
    },
    replayed,
  };
}
