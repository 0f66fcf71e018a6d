/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The page of the alerts: what is open, what was closed, and the rules; live. */
import {
  actOnAlert,
  type AlertShape,
  ApiError,
  deleteRule,
  listAlerts,
  listRules,
  makeRule,
  pageUrl,
  readEvent,
  type RuleShape,
} from "./api.ts";
import { byId, clearNotice, el, showNotice } from "./dom.ts";
import { eventChart, type EventSample } from "./event_chart.ts";
import { formatAgo, formatCount, timeFormatter } from "./format.ts";
import { retryMs } from "./live.ts";
import { bindZone, chosenZone } from "./zone.ts";

/** Closed alerts that are shown. */
const CLOSED_SHOWN = 20;
/** Open alerts that are shown; the summary counts all. */
const OPEN_SHOWN = 200;

let zone = chosenZone();
let alerts = new Map<string, AlertShape>();
let rules: readonly RuleShape[] = [];
/** Samples around open alerts, by the alert's id; asked for once. */
const events = new Map<string, readonly EventSample[]>();

function fill(table: string, lines: readonly HTMLElement[], none: string): void {
  const columns = String(byId(table).querySelectorAll("th").length);
  const empty = el("tr", {}, el("td", { class: "none", colspan: columns }, none));
  byId(table).querySelector("tbody")!.replaceChildren(...lines.length > 0 ? lines : [empty]);
}

function button(label: string, press: () => Promise<unknown>): HTMLElement {
  const element = el("button", { type: "button" }, label);
  element.addEventListener("click", () => void attempt(press));
  return element;
}

function time(text: string): HTMLElement {
  const ms = Date.parse(text);
  return el("td", { title: timeFormatter(zone, 1)(ms) }, formatAgo(ms, Date.now(), zone));
}

function name(alert: AlertShape): HTMLElement {
  return el("td", {}, el("a", { href: pageUrl(alert.stream) }, alert.stream));
}

function what({ summary, rule, severity, events: count }: AlertShape): HTMLElement {
  const many = count === 1 ? "" : ` · ${formatCount(count)} events`;
  const told = `${severity} · ${rule.name === "" ? rule.id : rule.name}${many}`;
  return el("td", {}, el("b", {}, summary), el("br"), el("span", { class: "quiet" }, told));
}

function openRow(alert: AlertShape): HTMLElement {
  const { id, openedAt, acknowledged } = alert;
  const samples = events.get(id);
  return el(
    "tr",
    { "data-severity": alert.severity },
    name(alert),
    what(alert),
    el("td", {}, samples === undefined ? null : eventChart(samples, Date.parse(openedAt))),
    time(openedAt),
    el(
      "td",
      {},
      acknowledged ? "seen" : button("Acknowledge", () => actOnAlert(id, "acknowledge")),
      " · ",
      button("Resolve", () => actOnAlert(id, "resolve")),
    ),
  );
}

function closedRow(alert: AlertShape): HTMLElement {
  return el(
    "tr",
    {},
    name(alert),
    what(alert),
    time(alert.openedAt),
    el("td", {}, alert.closedBy ?? ""),
  );
}

function streamsText({ ids, prefix, labels }: RuleShape["streams"]): string {
  const parts = [
    ...ids,
    ...prefix === "" ? [] : [`${prefix}…`],
    ...Object.entries(labels).map(([key, text]) => `${key}: ${text}`),
  ];
  return parts.length === 0 ? "all" : parts.join(", ");
}

function conditionText({ kind, ...members }: RuleShape["condition"]): string {
  const given = Object.entries(members).filter(([, value]) => value !== null);
  const texts = given.map(([key, value]) =>
    `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`
  );
  return [kind, ...texts].join(" · ");
}

function ruleRow(rule: RuleShape): HTMLElement {
  return el(
    "tr",
    {},
    el("td", {}, el("b", {}, rule.name === "" ? rule.id : rule.name)),
    el("td", {}, streamsText(rule.streams)),
    el("td", {}, conditionText(rule.condition)),
    el("td", {}, rule.webhook?.url ?? "–"),
    el("td", {}, button("Delete", () => deleteRule(rule.id))),
  );
}

function render(): void {
  const all = [...alerts.values()]
    .sort((a, b) => Date.parse(b.noticedAt) - Date.parse(a.noticedAt));
  const open = all.filter(({ state }) => state === "open");
  const closed = all.filter(({ state }) => state === "closed")
    .sort((a, b) => Date.parse(b.updatedAt) - Date.parse(a.updatedAt));
  fill("open", open.slice(0, OPEN_SHOWN).map(openRow), "Nothing is open");
  fill("closed", closed.slice(0, CLOSED_SHOWN).map(closedRow), "Nothing was closed");
  fill("rules", rules.map(ruleRow), "No rules: nothing alerts");
  byId("summary").textContent = `${formatCount(open.length)} open, ${formatCount(rules.length)} ` +
    (rules.length === 1 ? "rule" : "rules");
  for (const alert of open.slice(0, OPEN_SHOWN)) if (!events.has(alert.id)) void picture(alert);
}

/** Asks for the samples around an alert once; one that cannot be had leaves its cell empty. */
async function picture(alert: AlertShape): Promise<void> {
  events.set(alert.id, []);
  try {
    events.set(alert.id, await readEvent(alert));
    render();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

async function refresh(): Promise<void> {
  const [open, closed, found] = await Promise.all([
    listAlerts("open", OPEN_SHOWN),
    listAlerts("closed", CLOSED_SHOWN),
    listRules(),
  ]);
  alerts = new Map([...open, ...closed].map((alert) => [alert.id, alert]));
  rules = found;
  render();
}

/** Does something and shows what came of it, or why nothing did. */
async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    await refresh();
    clearNotice();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showNotice("error", error.message, el("p", { class: "quiet" }, error.detail));
    return false;
  }
}

function setLive(state: "open" | "lost", text: string): void {
  byId("live").dataset["state"] = state;
  byId("live").textContent = text;
}

/** Listens for as long as the page lives; after a loss everything is read anew. */
function listen(tries: number): void {
  const source = new EventSource("/v1/alerts/events");
  let isOpen = false;
  source.addEventListener("open", () => {
    isOpen = true;
    setLive("open", "Live");
    void attempt(() => Promise.resolve());
  });
  source.addEventListener("alert", ({ data }) => {
    const alert: AlertShape = JSON.parse(data);
    alerts.set(alert.id, alert);
    render();
  });
  source.addEventListener("dropped", () => void attempt(() => Promise.resolve()));
  source.addEventListener("error", () => {
    source.close();
    setLive("lost", "Reconnecting");
    const next = isOpen ? 0 : tries + 1;
    setTimeout(() => listen(next), retryMs(next));
  });
}

const NUMBERS = [
  "p",
  "above",
  "below",
  "quantile",
  "withinS",
  "periods",
  "tolerance",
  "sigmas",
];

/** The form as the body of a rule; what was left empty has its default. */
function ruleOf(form: FormData): Record<string, unknown> {
  const text = (key: string) => String(form.get(key) ?? "").trim();
  const numbers = NUMBERS.filter((key) => text(key) !== "").map((key) => [key, Number(text(key))]);
  return {
    name: text("name"),
    severity: text("severity"),
    streams: { prefix: text("prefix") },
    condition: { kind: text("kind"), ...Object.fromEntries(numbers) },
    ...(text("url") === "" ? {} : { webhook: { url: text("url"), secret: text("secret") } }),
  };
}

function bindForm(): void {
  const form = byId<HTMLFormElement>("rule");
  const kind = form.elements.namedItem("kind") as HTMLSelectElement;
  // A field of another condition is disabled, so that it is no part of the form's data.
  const show = () => {
    for (const label of form.querySelectorAll<HTMLElement>("[data-kinds]")) {
      label.hidden = !label.dataset["kinds"]!.split(" ").includes(kind.value);
      label.querySelector("input")!.disabled = label.hidden;
    }
  };
  kind.addEventListener("change", show);
  show();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = ruleOf(new FormData(form));
    void attempt(() => makeRule(body)).then((isMade) => {
      if (!isMade) return;
      form.reset();
      show();
    });
  });
}

bindZone((chosen) => {
  zone = chosen;
  render();
});
bindForm();
listen(0);
