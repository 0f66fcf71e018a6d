import type { Commit, Store } from "../stores/store.ts";

/** Commits that share one transaction at most. */
export const COMMIT_GROUP_MAX = 64;

interface QueuedCommit {
  readonly commit: Commit;
  readonly settled: PromiseWithResolvers<void>;
}

/** Lets commits that come while a transaction runs share the next one. */
export class CommitQueue {
  readonly #store: Store;
  readonly #queue: QueuedCommit[] = [];
  #isRunning = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Resolves when the commit is durable. */
  put(commit: Commit): Promise<void> {
    const settled = Promise.withResolvers<void>();
    this.#queue.push({ commit, settled });
    if (!this.#isRunning) this.#run();
    return settled.promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, COMMIT_GROUP_MAX);
      try {
        await this.#store.commit(group.map(({ commit }) => commit));
        for (const { settled } of group) settled.resolve();
      } catch (error) {
        for (const { settled } of group) settled.reject(error);
      }
    }
    this.#isRunning = false;
  }
}
