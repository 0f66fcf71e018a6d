/** `prove`: whether the states of a data folder are what its logs make them. */
import { systemClock } from "../base/clock.ts";
import { NotFoundError } from "../base/errors.ts";
import { builtInModels, inspectNetwork } from "../service/built_in_models.ts";
import { readConfig, type ServiceConfig } from "../service/config.ts";
import { TrainedModels } from "../service/models.ts";
import { silentLog } from "../service/telemetry.ts";
import { shippedWeights } from "../service/weights.ts";
import { DATABASE_FILE, openSqliteStore, type Store } from "../stores/mod.ts";
import { PAGE_MAX, type StreamRecord } from "../stores/store.ts";
import { openPorts, type ShardPort } from "../streams/shard_port.ts";
import { type Command, type CommandInput, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { openProgress } from "./progress.ts";
import { isProven, proveStreams, type StreamProof, type Tally } from "./prove_streams.ts";
import { formatTable } from "./table.ts";

/** Streams of these names, or all. @throws {NotFoundError} one is not there */
async function recordsOf(store: Store, names: readonly string[]): Promise<StreamRecord[]> {
  const records: StreamRecord[] = [];
  for (const name of names) {
    const record = await store.getStream(name);
    if (record === null) throw new NotFoundError("stream", name);
    records.push(record);
  }
  if (names.length > 0) return records;
  let page: StreamRecord[];
  let after = "";
  do {
    page = await store.listStreams({ after, limit: PAGE_MAX });
    records.push(...page);
    after = page.at(-1)?.id ?? after;
  } while (page.length === PAGE_MAX);
  return records;
}

/** Threads that know the models of the folder. */
async function openReplays({ data, weights, workers }: ServiceConfig): Promise<ShardPort[]> {
  const shipped = shippedWeights(weights);
  const files = new Map<string, Uint8Array>(shipped);
  const models = new TrainedModels({
    folder: `${data}/models`,
    builtIn: builtInModels(shipped),
    inspect: inspectNetwork,
    serve: (name, bytes) => {
      if (bytes !== null) files.set(name, bytes);
      return Promise.resolve();
    },
    ...{ log: silentLog, clock: systemClock },
  });
  await models.load();
  const ports = openPorts({ workers: workers ?? navigator.hardwareConcurrency }, () => {});
  const given = ports.flatMap((port) =>
    [...files].map(([name, bytes]) => port.call("setModel", { name, bytes }))
  );
  await Promise.all(given);
  return ports;
}

function tallyText({ proven, differing, other }: Tally): string {
  const compared = proven + differing;
  const held = compared === 0 ? "-" : `${proven} of ${compared}`;
  return other === 0 ? held : `${held}, ${other} of other settings`;
}

function proofTable(proofs: readonly StreamProof[]): string {
  const rows = proofs.map((proof) => [
    proof.id,
    String(proof.samples),
    tallyText(proof.state),
    tallyText(proof.forecasts),
    tallyText(proof.alarms),
    proof.failed ?? (isProven(proof) ? "proven" : "DIFFERS"),
  ]);
  return formatTable(["stream", "samples", "state", "forecasts", "alarms", "the log"], rows);
}

/** Replays the streams that were asked for, behind a progress bar. */
async function prove(
  config: ServiceConfig,
  input: CommandInput,
  isProgressShown: boolean,
): Promise<StreamProof[]> {
  const { data } = config;
  // Opening would make it.
  await Deno.stat(`${data}/${DATABASE_FILE}`);
  const store = await openSqliteStore({ folder: data, clock: systemClock });
  let ports: readonly ShardPort[] = [];
  try {
    const records = await recordsOf(store, input.positionals);
    const samples = records.reduce((sum, { inOrderCount }) => sum + inOrderCount, 0);
    ports = await openReplays(config);
    const progress = await openProgress("Replaying", isProgressShown);
    const proofs = await proveStreams(records, {
      ...{ store, ports },
      onProgress: (replayed) => progress.update(replayed, samples),
    });
    progress.stop();
    return proofs;
  } finally {
    for (const port of ports) port.close();
    await store.close();
  }
}

/** The verb. */
export const proveCommand: Command = {
  name: "prove",
  summary: "Replay the logs of a data folder and compare the states that they make",
  usage: "[--data FOLDER] [STREAM ...]",
  description: "A state is a function of the settings, of the samples in order and of what was\n" +
    "said of alarms. Each log is replayed from its first sample on; the stored state, and\n" +
    "those that stored forecasts and alarms were told from, have to come out bit for bit.\n" +
    "The folder is of a service that does not run, or a backup. The exit code is 1 where\n" +
    "something differs.",
  takesPositionals: true,
  options: {
    data: { type: "string", value: "FOLDER", help: "Folder of the store (default data)" },
    weights: { type: "string", value: "FOLDER", help: "Folder of networks, or none" },
    workers: { type: "string", value: "N", help: "Logs at a time (default: one a core)" },
  },
  async run(input, output) {
    const given = { data: input.text("data"), weights: input.text("weights") };
    const config = readConfig(
      { ...given, workers: input.text("workers") },
      (name) => Deno.env.get(name),
    );
    let proofs: StreamProof[];
    try {
      proofs = await prove(config, input, output.isProgressShown);
    } catch (error) {
      const reason = error instanceof Deno.errors.NotFound
        ? "there is no store"
        : error instanceof Error
        ? error.message
        : String(error);
      output.note(`Cannot prove what is in "${config.data}": ${reason}`);
      return EXIT_FAILED;
    }
    if (input.isSet("json")) output.print(JSON.stringify({ streams: proofs }));
    else output.print(proofs.length === 0 ? "No stream." : proofTable(proofs));
    return proofs.every(isProven) ? EXIT_OK : EXIT_FAILED;
  },
};
