/** Figures that a page tells in its own words, beside those that are stored. */

/** What a page says once, and the figures that it tells there. */
export interface Claim {
  /** The words; `#` stands for each figure. White space of any kind and length is alike. */
  readonly text: string;
  /** What the figures are, in order. */
  readonly figures: readonly string[];
}

/** A figure of a page that is not what is stored. */
export interface StaleFigure {
  readonly text: string;
  readonly found: string;
  readonly stored: string;
}

/** Digits with what may stand between them, so that a date is a figure too. */
const FIGURE = String.raw`(\d[\d.,-]*\d|\d|–)`;

function patternOf(text: string): RegExp {
  const parts = text.split("#").map((part) =>
    part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+")
  );
  return new RegExp(parts.join(FIGURE), "dg");
}

/**
 * Puts the stored figures into a page.
 *
 * @returns the page, and the figures that were others
 * @throws {RangeError} the page does not make a claim once, or a claim has figures too many or few
 */
export function tell(
  page: string,
  claims: readonly Claim[],
): { text: string; stale: readonly StaleFigure[] } {
  let told = page;
  const stale: StaleFigure[] = [];
  for (const { text, figures } of claims) {
    const matches = [...told.matchAll(patternOf(text))];
    if (matches.length !== 1) {
      throw new RangeError(`The page says "${text}" ${matches.length} times, expected once`);
    }
    const places = matches[0]!.indices!.slice(1).map((place) => place!);
    if (places.length !== figures.length) {
      throw new RangeError(`"${text}" has ${places.length} figures, ${figures.length} are stored`);
    }
    // From the last on, so that the places before stay where they are.
    for (const [i, [from, to]] of [...places.entries()].reverse()) {
      const found = told.slice(from, to);
      const stored = figures[i]!;
      if (found === stored) continue;
      stale.push({ text, found, stored });
      told = told.slice(0, from) + stored + told.slice(to);
    }
  }
  return { text: told, stale };
}
