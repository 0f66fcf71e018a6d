/** Rules, alerts and a service with a webhook that tests hold in their hands. */
import type { Alert, AlertRule, Condition } from "../../../src/service/alerts/alert.ts";
import type { SendRequest, SendResult } from "../../../src/service/alerts/webhook_sender.ts";
import { openFixture } from "../../routes/_fixture.ts";

export const SECRET = `whsec_${btoa("0123456789abcdef0123456789abcdef")}`;

/** The instant at which a manual clock begins. */
export const START_NS = 1_700_000_000_000_000_000n;
export const START_MS = Number(START_NS / 1_000_000n);

export const VALUE: Condition = {
  kind: "value",
  channel: null,
  above: 10,
  below: null,
  samples: 1,
};

export const ANOMALY: Condition = {
  kind: "anomaly",
  pMax: 1,
  reasons: [],
  effectMin: { units: 0, sigmas: 0 },
};

export function ruleOf(given: Partial<AlertRule> = {}): AlertRule {
  return {
    id: "r",
    name: "rule",
    isEnabled: true,
    severity: "warning",
    streams: { ids: [], prefix: "", labels: {} },
    condition: VALUE,
    coolDownS: 0,
    maxAgeS: null,
    maintenance: [],
    webhook: null,
    createdNs: START_NS,
    updatedNs: START_NS,
    ...given,
  };
}

export function alertOf(given: Partial<Alert> = {}): Alert {
  return {
    id: "a1",
    ruleId: "r",
    ruleName: "rule",
    severity: "warning",
    streamId: "s",
    kind: "value",
    state: "open",
    summary: "value is 11, above 10",
    reason: "value",
    p: null,
    score: null,
    channels: ["value"],
    value: [11],
    expected: [null],
    scale: [null],
    number: null,
    openedNs: START_NS,
    peakNs: START_NS,
    endedNs: null,
    noticedNs: START_NS,
    acknowledgedNs: null,
    closedNs: null,
    closedBy: null,
    eventCount: 1,
    isHeld: false,
    ...given,
  };
}

type FixtureOptions = NonNullable<Parameters<typeof openFixture>[0]>;

/** A service whose webhooks are answered from a list, at the end with 200. */
export function openAlerts(
  results: Partial<SendResult>[] = [],
  on?: FixtureOptions["on"],
) {
  const sent: SendRequest[] = [];
  const fixture = openFixture({
    ...(on === undefined ? {} : { on }),
    sendWebhook: (request) => {
      sent.push(request);
      const next = results.shift() ?? { status: 200 };
      return Promise.resolve({ status: null, error: null, retryAfterS: null, ...next });
    },
  });
  const { send, service, clock } = fixture;
  const post = async (values: readonly number[], stream = "s", startMs?: number) => {
    const fromMs = startMs ?? Number(clock.nowNs() / 1_000_000n);
    const timestamps = values.map((_, i) => fromMs + 1_000 * i);
    const path = `/v1/streams/${stream}/observations?wait=applied`;
    const answer = await send("POST", path, { timestamps, values });
    if (answer.status >= 300) throw new Error(JSON.stringify(answer.body));
    clock.advanceMs(values.length * 1_000);
    await service.alerts.work();
    await service.alerts.settled();
  };
  const rule = async (body: unknown) => {
    const answer = await send("POST", "/v1/alerts/rules", body);
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
    return answer.body;
  };
  const list = async (query = ""): Promise<any[]> =>
    (await send("GET", `/v1/alerts${query}`)).body.alerts;
  return { ...fixture, sent, post, rule, list };
}
