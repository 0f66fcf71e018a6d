import { BlockList, isIP } from "node:net";
import { InvalidValueError } from "../../base/errors.ts";

const URL_LENGTH_MAX = 2_048;

/** Addresses that are no host of the public Internet (IANA's special-purpose registries). */
const SPECIAL: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.0.2.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["198.51.100.0", 24, "ipv4"],
  ["203.0.113.0", 24, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["64:ff9b::", 96, "ipv6"],
  ["64:ff9b:1::", 48, "ipv6"],
  ["2001::", 23, "ipv6"],
  ["2001:db8::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
];

const special = new BlockList();
for (const [net, prefix, family] of SPECIAL) special.addSubnet(net, prefix, family);

const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");

/**
 * True for an address that a webhook may not reach unless the configuration allows it: loopback,
 * private, link-local and all else that is no host of the public Internet. IPv6 that carries IPv4
 * is never public.
 */
export function isPrivateAddress(address: string): boolean {
  if (isIP(address) === 4) return special.check(address, "ipv4");
  if (isIP(address) !== 6) return true;
  return special.check(address, "ipv6") || !globalUnicast.check(address, "ipv6");
}

/**
 * The target of a webhook.
 *
 * @throws {InvalidValueError} no http(s) URL, or one with a name and password
 */
export function webhookUrl(text: string): URL {
  const url = text.length <= URL_LENGTH_MAX && URL.canParse(text) ? new URL(text) : null;
  const isPlain = url !== null && url.username === "" && url.password === "";
  if (isPlain && (url.protocol === "https:" || url.protocol === "http:")) return url;
  const shown = text.replace(/\/\/[^/]*@/, "//(hidden)@");
  throw new InvalidValueError("webhook.url", shown, "an http or https URL without a password");
}

/** The host of a URL where it is an address itself; null for a name. */
export function literalAddress({ hostname }: URL): string | null {
  const bare = hostname.replace(/^\[|\]$/g, "");
  return isIP(bare) === 0 ? null : bare;
}

/**
 * Refuses what is known to be private without looking a name up; names are held to it when they
 * are looked up for the connection, so that a name cannot change in between.
 *
 * @throws {InvalidValueError} a private address, or a name of this machine
 */
export function requirePublic(url: URL): void {
  const address = literalAddress(url);
  const isLocal = /(^|\.)localhost\.?$/i.test(url.hostname);
  if (!isLocal && (address === null || !isPrivateAddress(address))) return;
  const expectation = "a public address; DRIFTLINE_PRIVATE_WEBHOOKS=1 allows others";
  throw new InvalidValueError("webhook.url", url.host, expectation);
}
