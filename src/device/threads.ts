/**
 * Knowing when a Worker's thread is really over. `Worker.terminate()` and `close()` return while
 * the thread still takes its GPU driver apart, which must not run beside the end of the process or
 * the opening of another device.
 */

/** Longest wait for a thread to end. */
export const THREAD_END_MS_MAX = 10_000;
/** Wait where the operating system does not tell which threads there are. */
const BLIND_WAIT_MS = 250;
const LOOK_EVERY_MS = 2;

/** The number of the thread that calls, or undefined where only the system knows it. */
export function currentThread(): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    // A link to "<process>/task/<thread>". It must be read synchronously, on this very thread.
    return Number(Deno.readLinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    // Without the permission to read /proc.
    return undefined;
  }
}

/**
 * Waits until a thread of this process is over, destructors included.
 *
 * @param thread  from {@linkcode currentThread}; undefined waits a fixed time
 * @returns false where it still ran after the longest wait
 */
export async function threadEnded(
  thread: number | undefined,
  waitMs = THREAD_END_MS_MAX,
): Promise<boolean> {
  if (thread === undefined) {
    await sleep(Math.min(waitMs, BLIND_WAIT_MS));
    return true;
  }
  for (let waited = 0; isAlive(thread); waited += LOOK_EVERY_MS) {
    if (waited >= waitMs) return false;
    await sleep(LOOK_EVERY_MS);
  }
  return true;
}

function isAlive(thread: number): boolean {
  try {
    Deno.lstatSync(`/proc/self/task/${thread}`);
    return true;
  } catch {
    return false;
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
