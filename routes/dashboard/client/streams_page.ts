/// <reference lib="dom" />
/** The list of streams. */
import { type ListedStream, listStreams, pageUrl } from "./api.ts";
import { byId, el } from "./dom.ts";
import { formatAgo, formatCount, formatQuantity, labelTexts, timeFormatter } from "./format.ts";
import { readForEver } from "./live.ts";
import { clearNotice, showNotice, showRefusal } from "./notice.ts";
import { sparkline } from "./sparkline.ts";
import { bindZone, chosenZone } from "./zone.ts";

const PAGE_SIZE = 50;
const REFRESH_MS = 5_000;

let streams: readonly ListedStream[] = [];
let pageCount = 1;
let hasMore = false;
let zone = chosenZone();

function row(stream: ListedStream): HTMLLIElement {
  const channel = stream.channels[0];
  const value = channel === undefined ? null : stream.lastValues[channel];
  const others = stream.channels.length - 1;
  const channels = channel === undefined
    ? "no samples yet"
    : others > 0
    ? `${channel} and ${others} more`
    : channel;
  const seenMs = stream.lastTimestamp === null ? null : Date.parse(stream.lastTimestamp);
  const link = el(
    "a",
    { class: "row", href: pageUrl(stream.id), "data-id": stream.id },
    el(
      "div",
      {},
      el(
        "div",
        { class: "name" },
        el("span", { class: "dot", "data-status": stream.status }),
        el("b", {}, stream.id),
        el("span", { class: "visually-hidden" }, `, ${stream.status}`),
      ),
      el("div", { class: "sub" }, [...labelTexts(stream.labels), channels].join(" · ")),
    ),
    el(
      "div",
      { class: "graph" },
      sparkline(channel === undefined ? [] : stream.sparkline[channel] ?? []),
    ),
    el("span", { class: "num strong" }, formatQuantity(value, stream.labels["unit"])),
    seenMs === null ? el("span", { class: "num seen" }, "–") : el(
      "span",
      { class: "num seen", title: timeFormatter(zone, 1)(seenMs) },
      formatAgo(seenMs, Date.now(), zone),
    ),
    el("span", { class: "num samples" }, formatCount(stream.sampleCount)),
    el(
      "span",
      { class: stream.alarms24h > 0 ? "num alarms alarm" : "num alarms quiet" },
      formatCount(stream.alarms24h),
      el("span", { class: "tag" }, stream.alarms24h === 1 ? " alarm" : " alarms"),
    ),
  );
  return el("li", {}, link);
}

function shown(): readonly ListedStream[] {
  const wanted = byId<HTMLInputElement>("filter").value.trim().toLowerCase();
  if (wanted === "") return streams;
  return streams.filter((stream) =>
    [stream.id, ...stream.channels, ...labelTexts(stream.labels)].join(" ").toLowerCase().includes(
      wanted,
    )
  );
}

function render(): void {
  const rows = shown();
  const list = byId("list");
  // The focused row keeps the focus over a refresh.
  const focused = (document.activeElement as HTMLElement | null)?.dataset["id"];
  list.replaceChildren(...rows.map(row));
  if (focused !== undefined) {
    list.querySelector<HTMLElement>(`[data-id="${CSS.escape(focused)}"]`)?.focus();
  }
  byId("list-card").hidden = rows.length === 0;
  byId("more").hidden = !hasMore;
  const samples = streams.reduce((total, stream) => total + stream.sampleCount, 0);
  const alarms = streams.reduce((total, stream) => total + stream.alarms24h, 0);
  byId("summary").textContent = `${formatCount(streams.length)}${hasMore ? "+" : ""} ` +
    `${streams.length === 1 ? "stream" : "streams"} · ${formatCount(samples)} samples · ` +
    `${formatCount(alarms)} ${alarms === 1 ? "alarm" : "alarms"} in 24 h`;
  if (streams.length === 0) showFirstSteps();
  else if (rows.length === 0) {
    showNotice("empty", "No stream matches", el("p", { class: "quiet" }, "Try another name."));
  } else clearNotice();
}

function showFirstSteps(): void {
  const command = `curl -X POST ${location.origin}/v1/streams/my-sensor/observations \\\n` +
    `  -H 'Content-Type: application/json' \\\n` +
    `  -d '{"timestamps": ["2026-01-01T00:00Z", "2026-01-01T01:00Z"], "values": [20.1, 19.8]}'`;
  showNotice(
    "empty",
    "No streams yet",
    el("p", { class: "quiet" }, "The first sample that is sent to a stream creates it:"),
    el("pre", {}, command),
  );
}

async function refresh(): Promise<void> {
  try {
    const found: ListedStream[] = [];
    let after: string | null = null;
    for (let page = 0; page < pageCount; page++) {
      const answer = await listStreams(after, PAGE_SIZE);
      found.push(...answer.streams);
      after = answer.next ?? null;
      if (after === null) break;
    }
    streams = found;
    hasMore = after !== null;
    render();
  } catch (error) {
    showRefusal(error);
  }
}

function moveFocus(key: string): boolean {
  const rows = [...byId("list").querySelectorAll<HTMLElement>("a.row")];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const next = key === "ArrowDown" || key === "j"
    ? Math.min(at + 1, rows.length - 1)
    : key === "ArrowUp" || key === "k"
    ? Math.max(at - 1, 0)
    : key === "Home"
    ? 0
    : key === "End"
    ? rows.length - 1
    : -1;
  if (next < 0 || rows.length === 0) return false;
  // Home and End belong to the page unless a row has the focus.
  if (at < 0 && (key === "Home" || key === "End")) return false;
  rows[next]!.focus();
  return true;
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const filter = byId<HTMLInputElement>("filter");
  const inField = document.activeElement instanceof HTMLSelectElement;
  if (document.activeElement === filter) {
    if (event.key === "ArrowDown" && moveFocus("ArrowDown")) event.preventDefault();
    if (event.key === "Escape") filter.blur();
    return;
  }
  if (inField) return;
  if (event.key === "/") {
    event.preventDefault();
    filter.focus();
  } else if (moveFocus(event.key)) event.preventDefault();
}

bindZone((chosen) => {
  zone = chosen;
  render();
});
byId("filter").addEventListener("input", render);
byId("more").addEventListener("click", () => {
  pageCount++;
  void refresh();
});
document.addEventListener("keydown", onKey);
void readForEver(refresh, () => REFRESH_MS);
