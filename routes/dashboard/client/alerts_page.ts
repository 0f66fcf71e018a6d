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
import { byId, el } from "./dom.ts";
import { eventChart, type EventSample } from "./event_chart.ts";
import { formatCount } from "./format.ts";
import { EventFeed } from "./live.ts";
import { clearNotice, showLive, showRefusal } from "./notice.ts";
import { ageColumn, type Column, showTable } from "./table.ts";
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

function button(label: string, press: () => Promise<unknown>): HTMLElement {
  const element = el("button", { type: "button" }, label);
  element.addEventListener("click", () => void attempt(press));
  return element;
}

const STREAM: Column<AlertShape> = {
  heading: "Stream",
  cell: ({ stream }) => el("a", { href: pageUrl(stream) }, stream),
};

const WHAT: Column<AlertShape> = {
  heading: "What",
  cell({ summary, rule, severity, events: count }) {
    const many = count === 1 ? "" : ` · ${formatCount(count)} events`;
    const told = `${severity} · ${rule.name === "" ? rule.id : rule.name}${many}`;
    return [el("b", {}, summary), el("br"), el("span", { class: "quiet" }, told)];
  },
};

const OPEN: readonly Column<AlertShape>[] = [
  STREAM,
  WHAT,
  {
    heading: "Event",
    cell({ id, openedAt }) {
      const samples = events.get(id);
      return samples === undefined ? null : eventChart(samples, Date.parse(openedAt));
    },
  },
  ageColumn("Since", ({ openedAt }) => openedAt, () => zone),
  {
    heading: "Do",
    cell: ({ id, acknowledged }) => [
      acknowledged ? "seen" : button("Acknowledge", () => actOnAlert(id, "acknowledge")),
      " · ",
      button("Resolve", () => actOnAlert(id, "resolve")),
    ],
  },
];

const CLOSED: readonly Column<AlertShape>[] = [
  STREAM,
  WHAT,
  ageColumn("Opened", ({ openedAt }) => openedAt, () => zone),
  { heading: "Closed by", cell: ({ closedBy }) => closedBy ?? "" },
];

const RULES: readonly Column<RuleShape>[] = [
  { heading: "Name", cell: ({ id, name }) => el("b", {}, name === "" ? id : name) },
  { heading: "Streams", cell: ({ streams }) => streamsText(streams) },
  { heading: "Condition", cell: ({ condition }) => conditionText(condition) },
  { heading: "Webhook", cell: ({ webhook }) => webhook?.url ?? "–" },
  { heading: "Do", cell: ({ id }) => button("Delete", () => deleteRule(id)) },
];

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

function render(): void {
  const all = [...alerts.values()]
    .sort((a, b) => Date.parse(b.noticedAt) - Date.parse(a.noticedAt));
  const open = all.filter(({ state }) => state === "open");
  const closed = all.filter(({ state }) => state === "closed")
    .sort((a, b) => Date.parse(b.updatedAt) - Date.parse(a.updatedAt));
  const shown = open.slice(0, OPEN_SHOWN);
  showTable("open", OPEN, shown, {
    none: "Nothing is open",
    attributes: ({ severity }) => ({ "data-severity": severity }),
  });
  showTable("closed", CLOSED, closed.slice(0, CLOSED_SHOWN), { none: "Nothing was closed" });
  showTable("rules", RULES, rules, { none: "No rules: nothing alerts" });
  byId("summary").textContent = `${formatCount(open.length)} open, ${formatCount(rules.length)} ` +
    (rules.length === 1 ? "rule" : "rules");
  for (const alert of shown) if (!events.has(alert.id)) void picture(alert);
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
    showRefusal(error);
    return false;
  }
}

const readAnew = () => void attempt(() => Promise.resolve());

const feed = new EventFeed("/v1/alerts/events", {
  opened() {
    showLive("open", "Live");
    readAnew();
  },
  lost: () => showLive("lost", "Reconnecting"),
  events: {
    alert(alert: AlertShape) {
      alerts.set(alert.id, alert);
      render();
    },
    dropped: readAnew,
  },
});

/** Fields of a condition; each is a number. */
const NUMBERS = ["p", "above", "below", "quantile", "withinS", "periods", "tolerance", "sigmas"];

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
feed.start();
