/** Shorter work shows no bar. */
const PATIENCE_MS = 500;

/** A bar on standard error for work that takes long. */
export interface Progress {
  update(done: number, total: number): void;
  stop(): void;
}

const SILENT: Progress = { update: () => {}, stop: () => {} };

/**
 * Opens a progress bar that appears once the work has lasted half a second.
 *
 * @param label    what is done
 * @param isShown  false gives one that draws nothing
 */
export async function openProgress(label: string, isShown: boolean): Promise<Progress> {
  if (!isShown) return SILENT;
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: `${label} {bar} {percentage}% {value}/{total} {eta_formatted}`,
    stream: (await import("node:process")).stderr,
    noTTYOutput: true,
    notTTYSchedule: 5_000,
    hideCursor: true,
    clearOnComplete: true,
  }, cliProgress.Presets.shades_classic);
  const startMs = performance.now();
  let isStarted = false;
  return {
    update(done, total) {
      if (!isStarted && performance.now() - startMs > PATIENCE_MS && done < total) {
        bar.start(total, done);
        isStarted = true;
      }
      if (isStarted) bar.update(done);
    },
    stop() {
      if (isStarted) bar.stop();
    },
  };
}
