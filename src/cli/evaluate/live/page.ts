/** The part of docs/accuracy.md that is about streams fed sample by sample. */
import { Figures } from "../figures.ts";
import { fixed, leadsTable, MISSING, table } from "../page_tables.ts";
import type { AccuracyRecord } from "../record.ts";
import { BASELINE } from "../subject.ts";
import type { LiveRecord } from "./run.ts";
import { AGES, type Cell, type Followed } from "./stream.ts";

const SETTING = "found";
const LEVEL = 0.8;
const LEAD_KINDS = ["near", "middle", "far"];

/** The records of a set: what was fed sample by sample, and what that is compared with. */
function liveFigures(
  live: readonly AccuracyRecord[],
  records: readonly AccuracyRecord[],
  set: string,
): Figures {
  return new Figures([...live, ...records.filter(({ model }) => model === BASELINE)], set);
}

/** Mean distance over tasks of the coverage from what the level says. */
function distance(record: AccuracyRecord | undefined): number {
  const covers = Object.values(record?.tasks ?? {}).map(({ cover80 }) => Math.abs(cover80 - LEVEL));
  return covers.reduce((sum, value) => sum + value, 0) / covers.length;
}

function totals(
  live: readonly AccuracyRecord[],
  records: readonly AccuracyRecord[],
  sets: readonly string[],
): string {
  const rows = sets.flatMap((set) => {
    const [fed, once] = [liveFigures(live, records, set), new Figures(records, set)];
    const models = fed.names(SETTING).filter((name) => name !== BASELINE);
    return models.flatMap((model) =>
      ([["at once", once], ["fed", fed]] as const).map(([way, figures]) => {
        const total = figures.total(model, SETTING);
        return [
          set,
          model,
          way,
          fixed(total?.mase, 3),
          fixed(total?.wql, 3),
          fixed(total?.cover80, 3),
          fixed(total?.cover95, 3),
          fixed(distance(figures.record(model, SETTING)), 3),
        ];
      })
    );
  });
  return table(
    ["set", "forecaster", "context", "MASE", "WQL", "cover 80", "cover 95", "by task, from 0.8"],
    rows,
  );
}

/** Coverage by task, at once and fed, of the model that is shown first. */
function byTask(
  live: readonly AccuracyRecord[],
  records: readonly AccuracyRecord[],
  sets: readonly string[],
  model: string,
): string {
  const rows = sets.flatMap((set) => {
    const fed = liveFigures(live, records, set).record(model, SETTING);
    const once = new Figures(records, set).record(model, SETTING);
    return Object.entries(fed?.tasks ?? {}).map(([task, own]) => [
      task,
      String(own.windows),
      fixed(once?.tasks[task]?.cover80, 3),
      fixed(once?.tasks[task]?.cover95, 3),
      fixed(own.cover80, 3),
      fixed(own.cover95, 3),
    ]);
  });
  return table(["task", "windows", "at once, 80", "95", "fed, 80", "95"], rows);
}

function sumOf(cells: readonly Cell[]): Cell {
  const sum = { count: 0, inside80: 0, inside95: 0 };
  for (const cell of cells) {
    sum.count += cell.count;
    sum.inside80 += cell.inside80;
    sum.inside95 += cell.inside95;
  }
  return sum;
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Streams by group: what their intervals held, and what they should have been. */
function groupTable(streams: readonly Followed[]): string {
  const groups = [...new Set(streams.map(({ group }) => group))];
  const rows = groups.map((group) => {
    const own = streams.filter((stream) => stream.group === group);
    const sum = sumOf(own.flatMap(({ cells }) => cells.flat()));
    const covers = own.map(({ cells }) => sumOf(cells.flat())).map((c) => c.inside80 / c.count);
    const widths = own.flatMap(({ width }) => width === null ? [] : [width]);
    return [
      group,
      String(own.length),
      String(sum.count),
      fixed(sum.inside80 / sum.count, 3),
      `${fixed(Math.min(...covers), 2)} … ${fixed(Math.max(...covers), 2)}`,
      fixed(sum.inside95 / sum.count, 3),
      fixed(geometricMean(own.map(({ needed }) => needed)), 2),
      widths.length > 0 ? fixed(geometricMean(widths), 2) : "–",
      fixed(geometricMean(own.map(({ loss }) => loss)), 3),
    ];
  });
  return table([
    "streams",
    "count",
    "targets",
    "cover 80",
    "least … most",
    "cover 95",
    "factor for 80 %",
    "width / ideal",
    "loss / last value's",
  ], rows);
}

/** Coverage by samples seen and by lead. */
function ageTable(streams: readonly Followed[]): string {
  const rows = [true, false].flatMap((isReal) => {
    const own = streams.filter((stream) => stream.isReal === isReal);
    return AGES.flatMap((from, age) => {
      const cells = LEAD_KINDS.map((_, kind) =>
        sumOf(own.map((stream) => stream.cells[age]![kind]!))
      );
      if (cells.every(({ count }) => count === 0)) return [];
      const to = AGES[age + 1];
      const share = (cell: Cell, inside: number) =>
        cell.count === 0 ? "–" : fixed(inside / cell.count, 3);
      return [[
        isReal ? "measured" : "drawn",
        to === undefined ? `from ${from}` : `${from} to ${to - 1}`,
        String(sumOf(cells).count),
        ...cells.flatMap((cell) => [share(cell, cell.inside80), share(cell, cell.inside95)]),
      ]];
    });
  });
  return table(
    ["streams", "samples seen", "targets", ...LEAD_KINDS.flatMap((kind) => [`${kind}, 80`, "95"])],
    rows,
  );
}

const INTRO = `Everything above puts a model to the end of a context at once. A stream that is
served gets there sample by sample: its parameters are those of its last fit, its intervals have the
live correction. Below, every window's context is fed so, and forecast at its end ("fed"), by
\`deno task evaluate:live\`.`;

const STREAMS = `Whole streams, fed sample by sample, a forecast of all leads every half horizon
from the eighth sample on. The measured ones are cuts that no development window touches, of series
that no network was trained on; the drawn ones are processes whose best possible forecast is known,
and one series of each generator of pretraining, of which the networks have seen other draws
(\`src/cli/evaluate/live/series.ts\`). The factor is what all 80 % intervals of a stream, multiplied
by it, would have held 80 % with; the loss is the mean over the deciles of twice the pinball loss
beside the error of the last value. Near, middle and far are the first twelfth of the leads, those
up to a fourth and the rest.`;

/** The sections; what is not measured says so. */
export function livePage(
  live: readonly AccuracyRecord[],
  records: readonly AccuracyRecord[],
  followed: readonly LiveRecord[],
): string {
  const sets = [...new Set(live.map(({ set }) => set))].toSorted();
  const model = live[0]?.model;
  const windows = model === undefined ? [MISSING] : [
    totals(live, records, sets),
    "### Coverage by task, fed",
    byTask(live, records, sets, model),
    ...sets.flatMap((set) => [
      `### By lead, fed, ${set}`,
      leadsTable(liveFigures(live, records, set), SETTING),
    ]),
    measuredAt(live),
  ];
  const streams = followed.flatMap(({ model, streams }) => [
    `### Long streams, ${model}`,
    groupTable(streams),
    ageTable(streams),
  ]);
  return [
    "## Fed sample by sample",
    INTRO,
    ...windows,
    ...(streams.length > 0 ? [STREAMS, ...streams, measuredAt(followed)] : []),
  ].join("\n\n");
}

function measuredAt(
  records: readonly Pick<LiveRecord, "commit" | "date" | "machine" | "version">[],
): string {
  const unique = (values: readonly string[]) => [...new Set(values)].toSorted().join(", ");
  return `Measured ${unique(records.map(({ date }) => date.slice(0, 10)))} on ` +
    `${unique(records.map(({ machine }) => machine))} at ` +
    `${unique(records.map(({ commit }) => commit))} with ` +
    `${unique(records.map(({ version }) => version))}.`;
}
