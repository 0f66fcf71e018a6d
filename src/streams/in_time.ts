import { OverloadError } from "../base/errors.ts";

/**
 * What work gives, if it does so in time; the work itself goes on.
 *
 * @param reason  what is told of work that takes longer
 * @throws {OverloadError} it takes longer, besides what the work throws
 */
export async function inTime<T>(work: Promise<T>, waitMs: number, reason: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new OverloadError(reason, 5)), waitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
