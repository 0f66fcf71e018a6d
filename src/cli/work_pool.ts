/** What a worker answers: which piece of work, and what came of it. */
export interface Done<Result> {
  readonly index: number;
  readonly result: Result;
}

/** How work is shared. */
export interface PoolOptions<Work, Result> {
  /** Opens one worker; it answers each `{ index, work }` with a {@linkcode Done}. */
  readonly open: () => Worker;
  /** Workers side by side. */
  readonly jobs: number;
  readonly work: readonly Work[];
  readonly onDone: (index: number, result: Result) => void;
}

/** Workers of one run. */
export const JOBS_MAX = 64;

/**
 * Hands work to workers, one piece at a time each, until all is done.
 *
 * @throws {Error} a worker stopped; the others are stopped too
 */
export function shareWork<Work, Result>(
  { open, jobs, work, onDone }: PoolOptions<Work, Result>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let opened = Math.min(jobs, work.length);
    if (opened === 0) resolve();
    const workers = Array.from({ length: opened }, open);
    for (const worker of workers) {
      const give = () => {
        if (next < work.length) {
          worker.postMessage({ index: next, work: work[next] });
          next++;
          return;
        }
        worker.terminate();
        if (--opened === 0) resolve();
      };
      worker.onmessage = ({ data }: MessageEvent<Done<Result>>) => {
        onDone(data.index, data.result);
        give();
      };
      worker.onerror = (event) => {
        event.preventDefault();
        for (const other of workers) other.terminate();
        reject(new Error(`A worker stopped: ${event.message}`));
      };
      give();
    }
  });
}
