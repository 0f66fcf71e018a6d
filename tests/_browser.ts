/** The browser of the tests that draw pages; they are skipped where there is none. */
export const CHROMIUM = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";

/** The browser and the first answers of a loaded machine are slow. */
export const PATIENCE_MS = 20_000;

export function hasChromium(): boolean {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch {
    return false;
  }
}
