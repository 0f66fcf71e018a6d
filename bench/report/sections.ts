/** Tables of what the benches of whole paths print: a record's rows and the columns shown of them. */
import {
  cpuSource,
  digits,
  hostSource,
  markdownTable,
  MISSING,
  percent,
  source,
} from "./format.ts";
import { modelRows, type Recorded, type Stored } from "./stored.ts";

/** A heading and how a row's cell is written. */
type Column<R> = readonly [heading: string, cell: (row: R) => string];

function section<T, R>(
  recorded: Recorded<T> | undefined,
  rowsOf: (data: T) => readonly R[],
  columns: readonly Column<R>[],
  sourceOf: (recorded: Recorded<T>) => string = source,
): string {
  if (recorded === undefined) return MISSING;
  const table = markdownTable(
    columns.map(([heading]) => heading),
    rowsOf(recorded.data).map((row) => columns.map(([, cell]) => cell(row))),
  );
  return `${table}\n\n${sourceOf(recorded)}`;
}

const mib = (bytes: number) => `${digits(bytes / 2 ** 20)} MiB`;

/** An iteration's times, memory and dearest entries. */
export function trainingTable({ training }: Stored): string {
  return section(training, (data) => data, [
    ["model, batch × length × width", ({ name }) => name],
    ["launches", ({ launches }) => digits(launches, 6)],
    ["issue, ms", ({ issueMs }) => digits(issueMs)],
    ["wall, ms", ({ wallMs }) => digits(wallMs)],
    ["GPU, ms", ({ gpuMs }) => digits(gpuMs ?? NaN)],
    ["memory", ({ memoryBytes }) => mib(memoryBytes)],
    [
      "dearest entries, ms",
      ({ entries }) =>
        entries.slice(0, 3).map(({ entry, ms }) => `${entry} ${digits(ms)}`).join("; "),
    ],
  ]);
}

/** The peak of training by length, each length a column. */
export function memoryTable({ memory }: Stored): string {
  if (memory === undefined) return MISSING;
  const { rows } = memory.data;
  const members = [...new Set(rows.map(({ member }) => member))];
  const lengths = [...new Set(rows.map(({ length }) => length))]
    .filter((_, i, all) => i === 0 || i === all.length - 1 || i === all.length >> 1);
  return section(memory, () => members.map((member) => rows.filter((r) => r.member === member)), [
    ["member", (own) => own[0]!.member],
    ...lengths.map((length): Column<typeof rows> => [
      digits(length, 6),
      (own) => mib(own.find((row) => row.length === length)?.peakBytes ?? NaN),
    ]),
    ["last doubling", (own) => `${digits(own.at(-1)!.growth ?? NaN)} ×`],
    ["states if kept", (own) => `${digits(own.at(-1)!.stateBytes / own.at(-1)!.peakBytes, 2)} ×`],
  ]);
}

/** The recomputing scan beside the storing one. */
export function scanMemoryTable({ memory }: Stored): string {
  return section(memory, ({ scans }) => scans, [
    ["length", ({ length }) => digits(length, 6)],
    ["recomputing", ({ recomputing }) => mib(recomputing)],
    ["storing", ({ storing }) => mib(storing)],
    ["states alone", ({ states }) => mib(states)],
  ]);
}

/** A backlog by the parallel form beside stepping. */
export function backlogTable(stored: Stored): string {
  return section(stored.backlog, ({ rows }) => rows, [
    ["member", ({ member }) => member],
    ["streams × samples", ({ streams, length }) => `${digits(streams, 6)} × ${digits(length, 6)}`],
    ["steps, s", ({ steppingMs }) => digits(steppingMs / 1e3)],
    ["CPU, s", ({ cpuMs }) => digits(cpuMs / 1e3)],
    ["GPU, s", ({ gpuMs }) => digits((gpuMs ?? NaN) / 1e3)],
    ["steps ÷ GPU", ({ steppingMs, gpuMs }) => digits(steppingMs / (gpuMs ?? NaN))],
  ], (recorded) => hostSource(recorded, stored));
}

/** A step of many streams, each row a count of them. */
export function servingTable(stored: Stored): string {
  const rate = (streams: number, ms: number | null) => digits(streams / 1e3 / (ms ?? NaN));
  const table = section(stored.serving, ({ rows }) => rows, [
    ["device", ({ device }) => device],
    ["streams", ({ streams }) => digits(streams, 6)],
    ["GPU, ms", ({ gpuMs }) => digits(gpuMs ?? NaN)],
    ["M updates/s", ({ streams, gpuMs }) => rate(streams, gpuMs)],
    ["of the floor", ({ gpuMs, floorMs }) => percent((floorMs ?? NaN) / (gpuMs ?? NaN))],
    ["latency, ms", ({ latencyMs }) => digits(latencyMs)],
    ["in flight, ms", ({ flightMs }) => digits(flightMs)],
    ["M updates/s", ({ streams, flightMs }) => rate(streams, flightMs)],
  ], (recorded) => hostSource(recorded, stored));
  const crossover = stored.serving?.data.crossover;
  if (crossover === undefined || crossover === null) return table;
  return `${table}\n\nThe CPU's one core serves ${
    digits(crossover)
  } streams in the least latency ` +
    "of the GPU.";
}

/** The same of networks, whose samples are counted in thousands. */
export function networksTable(stored: Stored): string {
  const table = section(stored.networks, ({ rows }) => rows, [
    ["network", ({ model = "" }) => model],
    ["device", ({ device }) => device],
    ["streams", ({ streams }) => digits(streams, 6)],
    ["GPU, ms", ({ gpuMs }) => digits(gpuMs ?? NaN)],
    ["latency, ms", ({ latencyMs }) => digits(latencyMs)],
    ["in flight, ms", ({ flightMs }) => digits(flightMs)],
    ["1,000 updates/s", ({ streams, flightMs }) => digits(streams / flightMs)],
  ], (recorded) => hostSource(recorded, stored));
  const refused = stored.networks?.data.refused ?? [];
  if (refused.length === 0) return table;
  const items = refused.map(({ model, device, streams, reason }) =>
    `- ${model} on ${device}, ${digits(streams, 6)} streams: ${reason}`
  );
  return `${table}\n\nNot served there:\n\n${items.join("\n")}`;
}

/** The parallel smoother beside the sequential one. */
export function smootherTable(stored: Stored): string {
  return section(stored.smoother, ({ rows }) => rows, [
    ["states", ({ states }) => digits(states)],
    ["samples", ({ length }) => digits(length, 7)],
    ["SIMD, one core, ms", ({ simdMs }) => digits(simdMs)],
    ["GPU, ms", ({ gpuMs }) => digits(gpuMs)],
    ["SIMD ÷ GPU", ({ simdMs, gpuMs }) => digits(simdMs / gpuMs)],
    ["to the host, ms", ({ hostMs }) => digits(hostMs)],
    ["SIMD ÷ that", ({ simdMs, hostMs }) => digits(simdMs / hostMs)],
  ], (recorded) => hostSource(recorded, stored));
}

/** Updates per second of models, one core, and how busy the machine was with other work. */
export function modelsTable(stored: Stored): string {
  const { models, states } = stored;
  const table = section(models, () => modelRows(stored), [
    ["model", ({ name }) => name],
    ["seasons", ({ series }) => series === "level" ? "none" : series],
    ["online, updates/s", ({ onlinePerS }) => digits(onlinePerS)],
    ["with refits, updates/s", ({ refitsPerS }) => digits(refitsPerS ?? NaN)],
    ["us", ({ refitsPerS }) => digits(1e6 / (refitsPerS ?? NaN))],
    ["state, bytes", ({ stateBytes }) => digits(stateBytes, 6)],
  ], cpuSource);
  const load = models?.data.load;
  const beside = load === undefined ? "" : ` Load at its start: ${digits(load)}.`;
  if (states === undefined) return table + beside;
  const detector = states.data.rows.find(({ name }) => name.startsWith("detector "))?.name;
  return `${table}${beside}\n\nStates are those of a later run, whose rates are not shown, since ` +
    `other work slowed them (load ${digits(states.data.load ?? NaN)}; ${detector}): ` +
    cpuSource(states);
}

/** Requests and samples per second through HTTP. */
export function ingestTable({ ingest }: Stored): string {
  return section(ingest, ({ rows }) => rows, [
    ["request", ({ scenario }) => scenario],
    ["server", ({ server }) => server],
    ["requests/s", ({ measured }) => digits(measured.requestsPerS)],
    ["samples/s", ({ measured }) => digits(measured.samplesPerS)],
    ["applied/s", ({ measured }) => digits(measured.appliedPerS ?? NaN)],
    ["p50, ms", ({ measured }) => digits(measured.p50Ms)],
    ["p99, ms", ({ measured }) => digits(measured.p99Ms)],
    ["server, us", ({ measured }) => digits(measured.serverUs ?? NaN)],
    ["client, us", ({ measured }) => digits(measured.clientUs ?? NaN)],
  ], cpuSource);
}
