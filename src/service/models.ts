import type { Clock } from "../base/clock.ts";
import { ConflictError, InvalidValueError, LimitError, NotFoundError } from "../base/errors.ts";
import { sha256Hex } from "../base/hash.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { z } from "zod";
import { NETWORK_BYTES_MAX } from "../models/mod.ts";
import { parseBy } from "../base/parse.ts";
import { readIfThere, removeIfThere, writeAtomic } from "./atomic_file.ts";
import { MODEL_NAME, MODEL_NAME_EXPECTED } from "./job_record.ts";
import type { Log } from "./telemetry.ts";

/** Trained models of one service: each of its threads holds them all. */
export const TRAINED_MODELS_MAX = 32;
/** Bytes of one model's file. */
export const MODEL_BYTES_MAX = NETWORK_BYTES_MAX;

/** What a model's file says of itself. */
export interface ModelFacts {
  /** What it is made of. */
  readonly kind: string;
  /** SHA-256 of configuration and weights. */
  readonly hash: string;
  readonly parameters: number;
  /** Upper bound of a channel's state. */
  readonly stateBytesMax: number;
}

/** A model that serves, as it is told of. */
export interface ServingModel extends ModelFacts {
  readonly name: string;
  readonly origin: "built-in" | "trained";
  /** What it was tuned from, and the job that did; null where it was not. */
  readonly base: string | null;
  readonly job: string | null;
  readonly createdAt: string | null;
}

/** What the trained models stand on. */
export interface TrainedModelsParts {
  /** Folder of their files. */
  readonly folder: string;
  /** Models that are always there, the default first. */
  readonly builtIn: readonly ServingModel[];
  /** @throws {SyntaxError | InvalidValueError} the bytes are no model that serves */
  readonly inspect: (name: string, bytes: Uint8Array) => ModelFacts;
  /** Gives a model to the threads that serve; null takes it from them. */
  readonly serve: (name: string, bytes: Uint8Array | null) => Promise<void>;
  readonly log: Log;
  readonly clock: Clock;
}

const aboutSchema = z.strictObject({
  base: z.string().nullable(),
  job: z.string().nullable(),
  createdAt: z.string(),
  fileHash: z.string(),
});

type About = z.infer<typeof aboutSchema>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The models of a service: those of the program, and those that its jobs have made, each a file of
 * weights and a file that tells where they come from. A file that is not what was written is left
 * where it is and told of in the log; nothing of it serves.
 */
export class TrainedModels {
  readonly #parts: TrainedModelsParts;
  readonly #trained = new Map<string, ServingModel>();

  constructor(parts: TrainedModelsParts) {
    this.#parts = parts;
  }

  /** Reads the folder and gives what is in it to the threads that serve; to be called first. */
  async load(): Promise<void> {
    const { folder, log } = this.#parts;
    await Deno.mkdir(folder, { recursive: true });
    const names: string[] = [];
    for await (const { name } of Deno.readDir(folder)) {
      if (name.endsWith(".json")) names.push(name.slice(0, -".json".length));
    }
    for (const name of names.sort()) {
      try {
        await this.#load(name);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warning("The model {name} does not serve: {reason}", { name, reason });
      }
    }
  }

  #path(name: string, ending: "json" | "safetensors"): string {
    return `${this.#parts.folder}/${name}.${ending}`;
  }

  async #load(name: string): Promise<void> {
    checkName(name);
    if (this.#parts.builtIn.some((model) => model.name === name)) {
      throw new ConflictError(`The program has a model of the name "${name}"`);
    }
    const text = decoder.decode(await Deno.readFile(this.#path(name, "json")));
    const about = parseBy(aboutSchema, JSON.parse(text), name);
    const bytes = await readBounded(this.#path(name, "safetensors"));
    const fileHash = sha256Hex(bytes);
    if (fileHash !== about.fileHash) {
      throw new InvalidValueError(`${name}.fileHash`, fileHash, `${about.fileHash}, as written`);
    }
    await this.#serve(name, bytes, about, this.#parts.inspect(name, bytes));
  }

  async #serve(
    name: string,
    bytes: Uint8Array,
    about: About,
    facts: ModelFacts,
  ): Promise<ServingModel> {
    await this.#parts.serve(name, bytes);
    const { base, job, createdAt } = about;
    const model: ServingModel = { ...facts, name, origin: "trained", base, job, createdAt };
    this.#trained.set(name, model);
    return model;
  }

  /** All models, the default first. */
  list(): ServingModel[] {
    return [...this.#parts.builtIn, ...this.#trained.values()];
  }

  /** @throws {NotFoundError} no such model */
  get(name: string): ServingModel {
    const model = this.list().find((each) => each.name === name);
    if (model === undefined) throw new NotFoundError("model", name);
    return model;
  }

  /**
   * @param field  what named the model
   * @throws {InvalidValueError} no such model; the message lists those there are
   */
  require(name: string, field = "model"): void {
    const names = this.list().map((model) => model.name);
    if (names.includes(name)) return;
    throw new InvalidValueError(field, name, `one of ${names.join(", ")}`);
  }

  /**
   * Checks that a model may be made under a name.
   *
   * @throws {InvalidValueError | ConflictError | LimitError} the name is no name or taken, or
   *   {@linkcode TRAINED_MODELS_MAX} are there
   */
  checkFree(name: string): void {
    checkName(name);
    if (this.list().some((model) => model.name === name)) {
      throw new ConflictError(`There is a model "${name}" already`);
    }
    if (this.#trained.size >= TRAINED_MODELS_MAX) {
      const count = this.#trained.size + 1;
      throw new LimitError("TRAINED_MODELS_MAX", TRAINED_MODELS_MAX, count, "name");
    }
  }

  /**
   * Keeps a model and gives it to the threads that serve. One of the same name is replaced: a job
   * that was interrupted at this very point does it again.
   *
   * @param known  what the file says of itself, where another thread has inspected it
   * @throws {SyntaxError | InvalidValueError | LimitError} the bytes are no model that serves
   */
  async add(
    name: string,
    bytes: Uint8Array,
    from: { readonly base: string; readonly job: string },
    known?: ModelFacts,
  ): Promise<ServingModel> {
    checkName(name);
    checkBytes(bytes.length);
    const createdAt = formatTimestamp(this.#parts.clock.nowNs());
    const about: About = { ...from, createdAt, fileHash: sha256Hex(bytes) };
    const facts = known ?? this.#parts.inspect(name, bytes);
    await writeAtomic(this.#path(name, "safetensors"), bytes);
    await writeAtomic(this.#path(name, "json"), encoder.encode(JSON.stringify(about)));
    return await this.#serve(name, bytes, about, facts);
  }

  /** The file of a trained model; undefined where the name is that of another or of none. */
  async file(name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!this.#trained.has(name)) return undefined;
    return await readIfThere(this.#path(name, "safetensors")) ?? undefined;
  }

  /** @throws {NotFoundError | ConflictError} no such model, or it is of the program */
  async remove(name: string): Promise<void> {
    if (this.get(name).origin === "built-in") {
      throw new ConflictError(`The model "${name}" is built in`);
    }
    // What has no such file is no model, so it goes first.
    await removeIfThere(this.#path(name, "json"));
    await removeIfThere(this.#path(name, "safetensors"));
    this.#trained.delete(name);
    await this.#parts.serve(name, null);
  }
}

function checkName(name: string): void {
  if (!MODEL_NAME.test(name)) throw new InvalidValueError("name", name, MODEL_NAME_EXPECTED);
}

function checkBytes(bytes: number): void {
  if (bytes > MODEL_BYTES_MAX) throw new LimitError("MODEL_BYTES_MAX", MODEL_BYTES_MAX, bytes);
}

async function readBounded(path: string): Promise<Uint8Array> {
  checkBytes((await Deno.stat(path)).size);
  return await Deno.readFile(path);
}
