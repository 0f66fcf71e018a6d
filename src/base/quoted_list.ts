/**
 * Lists of names in one text, parted by commas. A name that a comma, a quote at its start or blanks
 * at its ends would spoil stands in double quotes, those inside it doubled, as in a cell of CSV:
 * `load,"wind, gusts"`.
 */
import { InvalidValueError } from "./errors.ts";

/** An item with its comma or the text's end behind it: in quotes, or as it stands. */
const ITEM = /\s*(?:"((?:[^"]|"")*)"\s*|([^,]*))(?:,|$)/y;

/**
 * The items of a list; blanks around them do not count.
 *
 * @param field  what the list is called, for the error
 * @throws {InvalidValueError} an item is empty, or its quote has no end or something behind it
 */
export function splitList(text: string, field: string): string[] {
  const items: string[] = [];
  ITEM.lastIndex = 0;
  do {
    const [whole, quoted, plain] = ITEM.exec(text) ?? [];
    const item = quoted?.replaceAll('""', '"') ?? plain?.trim() ?? "";
    if (whole === undefined || item === "" || (quoted === undefined && item.startsWith('"'))) {
      throw new InvalidValueError(field, text, 'names parted by commas; one with a comma in "…"');
    }
    items.push(item);
    if (!whole.endsWith(",")) break;
  } while (true);
  return items;
}

/** The text that {@linkcode splitList} reads as these items. */
export function joinList(items: readonly string[]): string {
  return items.map((item) => {
    const isPlain = item !== "" && !/^"|,/.test(item) && item.trim() === item;
    return isPlain ? item : `"${item.replaceAll('"', '""')}"`;
  }).join(",");
}
