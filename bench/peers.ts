/** Times of others on the same model of card, as recorded in `peers.json`. */
import recorded from "./peers.json" with { type: "json" };

/** A peer's time for what a scenario does. */
export interface PeerTime {
  readonly scenario: string;
  readonly peer: string;
  readonly ms: number;
}

/** Where and with what the peers were timed. */
export const PEER_SOURCE = `${recorded.machine}; ${recorded.software}; ${recorded.date}`;

/** The peer of a scenario, by the scenario's name. */
export function peerOf(scenario: string): PeerTime | undefined {
  return recorded.times.find((time) => time.scenario === scenario);
}

/** All recorded times. */
export const PEER_TIMES: readonly PeerTime[] = recorded.times;
