import type { ChannelRange } from "../stores/channel_range.ts";
import { type CommandInput, type OptionSpec, UsageError } from "./command.ts";

/** Options of verbs whose forecasts may have bounds. */
export const RANGE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  lower: { type: "string", value: "X", help: "No value is below: forecasts stay inside" },
  upper: { type: "string", value: "X", help: "No value is above" },
};

/** A number of an option. @throws {UsageError} it is none */
export function finiteOption(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new UsageError(`--${name} is "${text}", expected a number`);
}

/** Bounds of the values. @throws {UsageError} no numbers, or nothing is between them */
export function rangeOf(input: CommandInput): ChannelRange {
  const bound = (name: "lower" | "upper"): ChannelRange => {
    const text = input.text(name);
    return text === undefined ? {} : { [name]: finiteOption(name, text) };
  };
  const range = { ...bound("lower"), ...bound("upper") };
  if (range.lower !== undefined && range.upper !== undefined && range.lower >= range.upper) {
    throw new UsageError(`--upper is "${range.upper}", expected more than --lower`);
  }
  return range;
}
