import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ConflictError } from "../../base/errors.ts";
import { packTree, type Tree, unpackTree } from "../../base/tree.ts";
import {
  type AppendOptions,
  type AppendResult,
  IDEMPOTENCY_KEYS_MAX,
  IDEMPOTENCY_TTL_S,
} from "../store.ts";

/** Answers written between two sweeps of the expired ones. */
export const ANSWERS_PER_SWEEP = 256;

interface AnswerRow {
  readonly request_hash: string;
  readonly created_ns: bigint;
  readonly bytes: Uint8Array;
}

/** The table of first answers by Idempotency-Key; written in the transaction of what it answers. */
export class AnswerTable {
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #removeOld: StatementSync;
  readonly #removeMany: StatementSync;
  #untilSweep = 0;

  constructor(database: DatabaseSync) {
    this.#select = database.prepare(
      "SELECT request_hash, created_ns, bytes FROM answer WHERE key = ?",
    );
    this.#select.setReadBigInts(true);
    this.#insert = database.prepare(
      "INSERT OR REPLACE INTO answer (key, request_hash, created_ns, bytes) VALUES (?, ?, ?, ?)",
    );
    this.#removeOld = database.prepare("DELETE FROM answer WHERE created_ns < ?");
    this.#removeMany = database.prepare(
      "DELETE FROM answer WHERE created_ns <= (SELECT created_ns FROM answer" +
        " ORDER BY created_ns DESC LIMIT 1 OFFSET ?)",
    );
  }

  /**
   * The first answer under this key, or null.
   *
   * @param createdNsOf  when the stream of a name was made; null = there is none
   * @throws {ConflictError} the key was used for another request
   */
  find(
    options: AppendOptions,
    nowNs: bigint,
    createdNsOf: (streamId: string) => bigint | null,
  ): AppendResult[] | null {
    if (options.idempotencyKey === undefined) return null;
    const row = this.#select.get(options.idempotencyKey) as unknown as AnswerRow | undefined;
    if (row === undefined || row.created_ns < expiryNs(nowNs)) return null;
    const results = unpackTree(row.bytes) as unknown as AppendResult[];
    if (!isStanding(results, createdNsOf)) return null;
    refuseOtherRequest(options, row.request_hash);
    return results;
  }

  put(options: AppendOptions, results: readonly AppendResult[], nowNs: bigint): void {
    if (options.idempotencyKey === undefined) return;
    const bytes = packTree(results.map(firstAnswer) as unknown as Tree);
    this.#insert.run(options.idempotencyKey, options.requestHash ?? "", nowNs, bytes);
    if (--this.#untilSweep > 0) return;
    this.#untilSweep = ANSWERS_PER_SWEEP;
    this.#removeOld.run(expiryNs(nowNs));
    this.#removeMany.run(IDEMPOTENCY_KEYS_MAX);
  }
}

/** Answers older than this are forgotten. */
export function expiryNs(nowNs: bigint): bigint {
  return nowNs - BigInt(IDEMPOTENCY_TTL_S) * 1_000_000_000n;
}

/**
 * False once a stream of the answer was deleted: what it counts is no longer stored, so the key is
 * free and the request is done anew.
 */
export function isStanding(
  results: readonly AppendResult[],
  createdNsOf: (streamId: string) => bigint | null,
): boolean {
  return results.every(({ streamId, record }) => createdNsOf(streamId) === record.createdNs);
}

/** What a retry gets: the same counts, but nothing that would advance a state twice. */
export function firstAnswer(result: AppendResult): AppendResult {
  return { ...result, inOrder: null, replayed: true };
}

/** @throws {ConflictError} the key belongs to a request with another hash */
export function refuseOtherRequest(options: AppendOptions, knownHash: string): void {
  if (knownHash === (options.requestHash ?? "")) return;
  throw new ConflictError(
    `Idempotency-Key "${options.idempotencyKey}" was used for another request`,
  );
}
