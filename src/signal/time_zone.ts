import { InvalidValueError } from "../base/errors.ts";

/**
 * Local time by the names of the IANA time zone database, which the runtime brings along
 * (`Intl`). Between two instants of one offset less than a day apart it is taken not to change: no
 * zone has ever gone there and back within a day.
 */

/** Time zones are named by one of these many characters at most. */
export const TIME_ZONE_LENGTH_MAX = 64;

const DAY_S = 86_400;

/** Offsets of whole days that a zone keeps: forty years of them. */
const DAYS_KEPT_MAX = 15_000;

/** Seconds since the Unix epoch of what `Date` can say. */
const TIME_MAX_S = 8.64e12;

function formatOf(name: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat("en-US", {
    timeZone: name,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    era: "short",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
}

/** @throws {InvalidValueError} no time zone is called so */
export function requireTimeZone(name: string, field: string): void {
  const isPlausible = name.length <= TIME_ZONE_LENGTH_MAX && /^[A-Za-z][\w+/-]*$/.test(name);
  try {
    if (isPlausible) {
      formatOf(name);
      return;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new InvalidValueError(field, name, 'a time zone such as "Europe/Berlin"');
}

/** Seconds that the clock of a zone is ahead of UTC at an instant. */
function offsetAt(format: Intl.DateTimeFormat, unixS: number): number {
  const whole = Math.floor(Math.min(TIME_MAX_S, Math.max(-TIME_MAX_S, unixS)));
  const said = new Map(
    format.formatToParts(whole * 1_000).map(({ type, value }) => [type as string, value]),
  );
  const part = (type: string) => Number(said.get(type));
  const year = said.get("era") === "BC" ? 1 - part("year") : part("year");
  const clock = new Date(0);
  clock.setUTCFullYear(year, part("month") - 1, part("day"));
  clock.setUTCHours(part("hour"), part("minute"), part("second"));
  return clock.getTime() / 1_000 - whole;
}

/** The clock of one zone. */
class Zone {
  readonly #format: Intl.DateTimeFormat;
  /** Offsets at the beginnings of days of UTC. */
  readonly #byDay = new Map<number, number>();

  constructor(name: string) {
    this.#format = formatOf(name);
  }

  #atDay(day: number): number {
    const known = this.#byDay.get(day);
    if (known !== undefined) return known;
    if (this.#byDay.size >= DAYS_KEPT_MAX) this.#byDay.clear();
    const offset = offsetAt(this.#format, day * DAY_S);
    this.#byDay.set(day, offset);
    return offset;
  }

  offsetS(unixS: number): number {
    const day = Math.floor(unixS / DAY_S);
    const before = this.#atDay(day);
    return before === this.#atDay(day + 1) ? before : offsetAt(this.#format, unixS);
  }
}

/** Zones that stay open in a thread; the one opened first goes first. */
const ZONES_KEPT_MAX = 8;

const zones = new Map<string, Zone>();

function zoneNamed(name: string): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  if (zones.size >= ZONES_KEPT_MAX) zones.delete(zones.keys().next().value!);
  const zone = new Zone(name);
  zones.set(name, zone);
  return zone;
}

/**
 * What the clocks of a zone show, as seconds since 1970-01-01T00:00 of that clock.
 *
 * @param unixS  seconds since the Unix epoch                                             [time]
 * @param name   a zone that `requireTimeZone` knows
 * @returns                                                                               [time]
 */
export function localTimes(unixS: Float64Array, name: string): Float64Array {
  const zone = zoneNamed(name);
  return unixS.map((time) => time + zone.offsetS(time));
}
