import type { z } from "zod";
import { InvalidValueError } from "../base/errors.ts";

/** The value at a path of keys; undefined where there is none. */
function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return at;
}

/** What zod says was expected, without its name for the fault. */
function wantedOf(message: string): string {
  return message.replace(/^(?:Invalid|Too) [a-z ]+[:.] [Ee]xpected /, "");
}

/** A value as a message has it: JSON where its own text would not say what is in it. */
export function shownAs(value: unknown): unknown {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

/**
 * Reads a value by a schema.
 *
 * @param name  what the value is called: the first part of the path in a message
 * @throws {InvalidValueError} the value does not follow the schema; the field is the dotted path
 */
export function parseBy<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = [...issue.path];
  if (issue.code === "unrecognized_keys") path.push(issue.keys[0]!);
  const shown = shownAs(valueAt(value, path));
  const wanted = issue.code === "unrecognized_keys"
    ? "no field of this name"
    : wantedOf(issue.message);
  throw new InvalidValueError([name, ...path.map(String)].join("."), shown, wanted);
}

/**
 * Runs what checks a part of a larger value, and names its fields from the whole's beginning.
 *
 * @param path  of the part
 * @throws {InvalidValueError} what `check` throws, the path before its field
 */
export function atPath<T>(path: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    throw new InvalidValueError(`${path}.${error.field}`, error.value, error.expectation);
  }
}
