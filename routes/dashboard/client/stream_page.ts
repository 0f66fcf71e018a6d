/// <reference lib="dom" />
/** The page of one stream: past, forecast, anomalies, innovations, live. */
import { showAnswers } from "./answers_panel.ts";
import {
  type AnomalyShape,
  ApiError,
  eventsUrl,
  type KnownThen,
  readAnswers,
  readComponents,
  type RevisionShape,
  type SampleShape,
} from "./api.ts";
import { showComponents } from "./components_panel.ts";
import { byId, el } from "./dom.ts";
import { formatCount, labelTexts, timeFormatter } from "./format.ts";
import { HistoryChart } from "./history_chart.ts";
import { InnovationsChart } from "./innovations_chart.ts";
import { EventFeed } from "./live.ts";
import { clearNotice, showLive, showNotice, showRefusal } from "./notice.ts";
import { showAnomalies, showForecast, showModel, showProof, showTiles } from "./panels.ts";
import { KNOWN_NOW, StreamView } from "./stream_view.ts";
import { bindZone, chosenZone } from "./zone.ts";

/** Live samples are drawn at most this often. */
const DRAW_MS = 200;
/** The forecast and the state are asked for again at most this often. */
const REFRESH_MS = 2_500;
const RETRY_MS = 4_000;

let zone = chosenZone();
const view = new StreamView(new URLSearchParams(location.search).get("id") ?? "");

const timeOf = (timeMs: number) => timeFormatter(zone, view.stream?.periodS ?? null)(timeMs);
const chartParts = { zone: () => zone, timeOf };
const historyChart = new HistoryChart(byId<HTMLCanvasElement>("history"), chartParts);
const innovationsChart = new InnovationsChart(
  byId<HTMLCanvasElement>("innovations"),
  chartParts,
);
historyChart.onPick = (timeMs) => void forecastOf({ ...view.known, asOfMs: timeMs });
historyChart.onRead = (text) => byId("reading").textContent = text;

function draw(): void {
  const { history, fan, marks, originMs, fromMs, channel, innovations } = view;
  const canvas = byId("history");
  canvas.setAttribute(
    "aria-label",
    `${channel}: ${formatCount(history.length)} points, ${fan.length} forecast times, ` +
      `${marks.length} anomalies`,
  );
  historyChart.show({ history, fan, marks, originMs, fromMs });
  byId("innovations-empty").hidden = innovations.length > 0;
  innovationsChart.show(innovations);
}

function drawText(): void {
  const { stream, channel, forecast, lastValue } = view;
  if (stream === undefined) return;
  const anomalies = view.ownAnomalies();
  showTiles(stream, channel, {
    lastValue,
    forecast,
    isThen: view.isReplayed,
    alarmCount: formatCount(anomalies.length),
    timeOf,
  });
  showForecast(forecast, channel, timeOf);
  showAnomalies(anomalies, channel, { timeOf, picked: (timeMs) => historyChart.point(timeMs) });
  showModel(stream, channel);
  showProof(stream, timeOf);
}

function drawControls(): void {
  const { stream, ranges, range, channel } = view;
  if (stream === undefined) return;
  const channelSelect = byId<HTMLSelectElement>("channel");
  channelSelect.replaceChildren(
    ...stream.channels.map((name) => el("option", { value: name }, name)),
  );
  channelSelect.value = channel;
  byId("channel-label").hidden = stream.channels.length < 2;
  const rangeSelect = byId<HTMLSelectElement>("range");
  rangeSelect.replaceChildren(
    ...ranges.map(({ label }) => el("option", { value: label }, label)),
  );
  rangeSelect.value = range?.label ?? "";
  const without = byId<HTMLSelectElement>("without");
  without.replaceChildren(
    ...["", ...view.optional].map((name) => el("option", { value: name }, name || "nothing")),
  );
  without.value = view.known.without;
  byId("without-label").hidden = view.optional.length === 0;
  const horizon = byId<HTMLInputElement>("horizon");
  // What the reader is typing is left alone.
  if (document.activeElement !== horizon) horizon.value = String(view.horizon);
  byId("labels").replaceChildren(
    ...[
      ...labelTexts(stream.labels),
      ...(stream.channels.length === 1 ? [channel] : []),
    ].map((text) => el("span", {}, text)),
  );
}

function report(error: unknown): void {
  if (!(error instanceof ApiError && error.status === 404)) return showRefusal(error);
  byId("body").hidden = true;
  const back = el("p", {}, el("a", { href: "/" }, "Back to the streams"));
  showNotice("error", "No such stream", el("p", { class: "quiet" }, error.detail), back);
}

/** A stream whose model failed still answers from its last good state; that must be seen. */
function showFailure(): void {
  const reason = view.stream?.failed ?? null;
  if (reason === null) return clearNotice();
  showNotice(
    "error",
    "The state of this stream no longer advances",
    el("p", { class: "quiet" }, `${reason}. New samples are stored all the same.`),
  );
}

/** A forecast may be refused (too few samples, too far): the rest of the page stays. */
async function loadForecast(): Promise<boolean> {
  const field = byId<HTMLInputElement>("horizon");
  try {
    await view.loadForecast();
    field.setCustomValidity("");
    return true;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 422) throw error;
    view.forecast = null;
    field.setCustomValidity(error.detail);
    field.reportValidity();
    return false;
  }
}

let lastTurn: Promise<unknown> = Promise.resolve();

/** One load after the other, so that an older answer never overwrites a newer one. */
function inTurn<T>(load: () => Promise<T>): Promise<T> {
  const turn = lastTurn.then(load, load);
  lastTurn = turn;
  return turn;
}

/** Reads everything anew; resolves to false where the stream could not be read. */
function loadAll(): Promise<boolean> {
  return inTurn(readAll);
}

async function readAll(): Promise<boolean> {
  try {
    await view.loadStream();
    if (view.channel === "") {
      showNotice(
        "empty",
        "No samples yet",
        el("p", { class: "quiet" }, "This page begins with the first one."),
      );
      return true;
    }
    await Promise.all([view.loadHistory(), loadForecast()]);
    showFailure();
    byId("body").hidden = false;
    drawControls();
    draw();
    drawText();
    return true;
  } catch (error) {
    report(error);
    return error instanceof ApiError && error.status === 404;
  }
}

let drawTimer: ReturnType<typeof setTimeout> | undefined;
let refreshTimer: ReturnType<typeof setTimeout> | undefined;

function drawSoon(): void {
  drawTimer ??= setTimeout(() => {
    drawTimer = undefined;
    draw();
  }, DRAW_MS);
}

function refreshSoon(): void {
  refreshTimer ??= setTimeout(() => {
    refreshTimer = undefined;
    void inTurn(refresh);
  }, REFRESH_MS);
}

async function refresh(): Promise<void> {
  try {
    await Promise.all([
      view.loadStream(),
      ...(view.isReplayed ? [] : [loadForecast()]),
      ...(view.isCrowded ? [view.loadHistory()] : []),
    ]);
    draw();
    drawText();
    showFailure();
  } catch (error) {
    report(error);
  }
}

/** What the reader asks of the times ahead; a refusal is told where the question stands. */
async function ask(): Promise<void> {
  const field = byId<HTMLInputElement>("threshold");
  const direction = byId<HTMLSelectElement>("direction").value as "" | "up" | "down";
  const { channel, horizon } = view;
  const threshold = field.valueAsNumber;
  const asked = Number.isNaN(threshold) ? null : { threshold, direction: direction || null };
  await tell("answers-note", async () => {
    const answers = await readAnswers(view.id, { channel, horizon, asked });
    if (channel !== view.channel) return null;
    showAnswers(answers, channel, timeOf);
    byId("answers").hidden = false;
    return `The next ${formatCount(answers.timestamps.length)} times of ${channel}`;
  });
}

async function takeApart(): Promise<void> {
  const { channel, fromMs } = view;
  const from = fromMs === null ? undefined : new Date(fromMs).toISOString();
  await tell("components-note", async () => {
    const parts = await readComponents(view.id, channel, from);
    if (channel !== view.channel) return null;
    showComponents(parts);
    return `${formatCount(parts.timestamps.length)} times of ${channel}`;
  });
}

/** Shows what would be said if only so much were known, over what came. */
async function forecastOf(known: KnownThen): Promise<void> {
  const last = Date.parse(view.stream?.lastTimestamp ?? "");
  const { asOfMs, without } = known;
  view.known = asOfMs !== null && asOfMs >= last ? { ...known, asOfMs: null } : known;
  await tell("then", async () => {
    try {
      await inTurn(() => view.loadForecast());
    } catch (error) {
      view.known = KNOWN_NOW;
      throw error;
    } finally {
      drawControls();
    }
    draw();
    drawText();
    if (!view.isReplayed) return THEN;
    const parts = [
      ...(view.known.asOfMs === null ? [] : [`as of ${timeOf(view.known.asOfMs)}`]),
      ...(without === "" ? [] : [`without ${without}`]),
    ];
    return `What is said ${parts.join(" and ")}, over what came.`;
  });
  byId("now").hidden = !view.isReplayed;
}

/** Does what a button asks for; says in a note what came of it, or why nothing did. */
async function tell(note: string, act: () => Promise<string | null>): Promise<void> {
  try {
    const text = await act();
    if (text !== null) byId(note).textContent = text;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    byId(note).textContent = `${error.message}. ${error.detail}`;
  }
}

/** What the notes say before anything is asked. */
const NOTES = ["answers-note", "components-note", "then"].map((id) =>
  [id, byId(id).textContent] as const
);
const THEN = byId("then").textContent;

/** Answers of another channel are none of this one's. */
function forgetAnswers(): void {
  byId("answers").hidden = true;
  byId("components").replaceChildren();
  byId("now").hidden = true;
  for (const [id, text] of NOTES) byId(id).textContent = text;
}

const feed = new EventFeed(eventsUrl(view.id), {
  opened(isAgain) {
    showLive("open", "Live");
    // What happened meanwhile was not heard.
    if (isAgain) void loadAll();
  },
  lost: () => showLive("lost", "Connection lost, trying again"),
  events: {
    sample(sample: SampleShape) {
      if (view.channel === "") return void loadAll();
      view.addSample(sample);
      drawSoon();
      refreshSoon();
    },
    anomaly(anomaly: AnomalyShape) {
      view.addAnomaly(anomaly);
      drawSoon();
      drawText();
    },
    revision({ number, reason }: RevisionShape) {
      view.reviseAnomaly(number, reason);
      drawText();
    },
    forecast: refreshSoon,
    dropped: () => void loadAll(),
  },
});

async function begin(): Promise<void> {
  byId("name").textContent = view.id;
  document.title = `${view.id} · Driftline`;
  while (!await loadAll()) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  if (view.stream !== undefined) feed.start();
  else byId("live").hidden = true;
}

bindZone((chosen) => {
  zone = chosen;
  draw();
  drawText();
});
byId("channel").addEventListener("change", ({ target }) => {
  view.choose((target as HTMLSelectElement).value);
  forgetAnswers();
  void loadAll();
});
byId("range").addEventListener("change", ({ target }) => {
  const { value } = target as HTMLSelectElement;
  view.range = view.ranges.find(({ label }) => label === value);
  void loadAll();
});
byId("horizon").addEventListener("change", ({ target }) => {
  const field = target as HTMLInputElement;
  field.setCustomValidity("");
  if (!field.reportValidity()) return;
  view.horizon = field.valueAsNumber;
  void loadAll();
});
byId("without").addEventListener("change", ({ target }) => {
  void forecastOf({ ...view.known, without: (target as HTMLSelectElement).value });
});
byId("now").addEventListener("click", () => void forecastOf(KNOWN_NOW));
byId("ask").addEventListener("click", () => void ask());
byId("threshold").addEventListener("keydown", ({ key }) => {
  if (key === "Enter") void ask();
});
byId("take-apart").addEventListener("click", () => void takeApart());
byId("pause").addEventListener("click", ({ currentTarget }) => {
  const button = currentTarget as HTMLButtonElement;
  const isPaused = button.getAttribute("aria-pressed") === "true";
  button.setAttribute("aria-pressed", String(!isPaused));
  if (isPaused) {
    void loadAll();
    feed.start();
  } else {
    feed.pause();
    showLive("idle", "Paused");
  }
});
void begin();
