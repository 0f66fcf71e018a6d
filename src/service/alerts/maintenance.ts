import type { Maintenance } from "./alert.ts";

const DAY_MINUTES = 1_440;
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** Formatters are slow to make; a service knows few zones. */
const formatters = new Map<string, Intl.DateTimeFormat>();

/** @throws {RangeError} no such time zone */
function formatterOf(timeZone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timeZone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone,
      weekday: "short",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    formatters.set(timeZone, formatter);
  }
  return formatter;
}

/** True for a name that the time zone data of the runtime knows. */
export function isTimeZone(name: string): boolean {
  try {
    formatterOf(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Weekday and minute of the day, as the clock on the wall of a zone shows them. */
function wallClock(timeNs: bigint, timeZone: string): { weekday: number; minute: number } {
  const parts = formatterOf(timeZone).formatToParts(Number(timeNs / 1_000_000n));
  const part = (type: string) => parts.find((candidate) => candidate.type === type)!.value;
  return {
    weekday: WEEKDAYS.indexOf(part("weekday")),
    minute: Number(part("hour")) * 60 + Number(part("minute")),
  };
}

function covers(window: Maintenance, timeNs: bigint): boolean {
  if (window.kind === "once") return timeNs >= window.fromNs && timeNs < window.toNs;
  const { weekday, minute } = wallClock(timeNs, window.timeZone);
  const { fromMinute, weekdays } = window;
  const isNight = window.toMinute <= fromMinute;
  const toMinute = isNight ? window.toMinute + DAY_MINUTES : window.toMinute;
  const isOn = (day: number) => weekdays.length === 0 || weekdays.includes(day);
  if (isOn(weekday) && minute >= fromMinute && minute < toMinute) return true;
  // A window that began yesterday may reach into today.
  return isNight && isOn((weekday + 6) % 7) && minute + DAY_MINUTES < toMinute;
}

/** True when a time lies in one of the windows: from the begin on, up to the end. */
export function isInMaintenance(windows: readonly Maintenance[], timeNs: bigint): boolean {
  return windows.some((window) => covers(window, timeNs));
}
