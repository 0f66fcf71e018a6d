import {
  ConflictError,
  InvalidValueError,
  LimitError,
  NotFoundError,
  OverloadError,
  ProtocolError,
  ShapeError,
  StateMismatchError,
  StorageFullError,
} from "./errors.ts";

/**
 * Calls across a thread boundary: a worker serves named methods, the other side awaits them.
 * Answers keep the order of the calls as long as the methods are synchronous. Errors arrive as
 * what they were, class and fields included.
 *
 * Calls of one turn travel as one message, and so do their answers: waking a thread costs more than
 * most calls do. An argument is read when the turn ends, and must not change before.
 */

/** Calls of one message: none of them is answered before the last of them has run. */
export const CALLS_PER_MESSAGE_MAX = 16;

/** The part of `Worker` and of a worker's global scope that is used here. */
export interface PortLike {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

interface CallMessage {
  readonly call: number;
  readonly method: string;
  readonly argument: unknown;
}

interface AnswerMessage {
  readonly answer: number;
  readonly value?: unknown;
  readonly error?: EncodedError;
}

interface EncodedError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  readonly fields: Record<string, unknown>;
}

type ErrorClass = new (...parts: never[]) => Error;

const ERROR_CLASSES = new Map<string, ErrorClass>(
  [
    ConflictError,
    InvalidValueError,
    LimitError,
    NotFoundError,
    OverloadError,
    ProtocolError,
    ShapeError,
    StateMismatchError,
    StorageFullError,
    RangeError,
    SyntaxError,
    TypeError,
  ].map((type): [string, ErrorClass] => [type.name, type]),
);

/** Lets a folder's own error class cross the boundary; both sides have to call it. */
export function registerErrorClass(type: ErrorClass): void {
  ERROR_CLASSES.set(type.name, type);
}

/** An error as plain data that survives the structured clone with its class and fields. */
export function encodeError(error: unknown): EncodedError {
  if (!(error instanceof Error)) {
    return { name: "Error", message: String(error), stack: undefined, fields: {} };
  }
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(error)) {
    if (value === null || ["string", "number", "bigint", "boolean"].includes(typeof value)) {
      fields[key] = value;
    }
  }
  return { name: error.name, message: error.message, stack: error.stack, fields };
}

/** Turns {@linkcode encodeError}'s data back into an error of the same class. */
export function decodeError(encoded: EncodedError): Error {
  const type = ERROR_CLASSES.get(encoded.name) ?? Error;
  const error = Object.create(type.prototype) as Error;
  const hidden = { enumerable: false, configurable: true, writable: true };
  Object.defineProperty(error, "message", { ...hidden, value: encoded.message });
  Object.defineProperty(error, "stack", { ...hidden, value: encoded.stack });
  return Object.assign(error, encoded.fields);
}

/** A method's result together with the buffers that may move instead of being copied. */
export class Transferred<T> {
  readonly value: T;
  readonly buffers: Transferable[];

  constructor(value: T, buffers: Transferable[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

/** The calling side. Calls that are open when the worker dies are rejected by `fail`. */
export class RemotePort {
  readonly #port: PortLike;
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>();
  /** Calls of this turn, and what moves with them. */
  #outbox: CallMessage[] = [];
  #moving: Transferable[] = [];
  #last = 0;
  #failure: Error | null = null;

  constructor(port: PortLike) {
    this.#port = port;
    port.addEventListener("message", (event) => {
      for (const message of event.data as AnswerMessage[]) this.#receive(message);
    });
  }

  /** Calls that wait for their answer. */
  get openCalls(): number {
    return this.#open.size;
  }

  call<T>(method: string, argument: unknown, transfer: Transferable[] = []): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const id = ++this.#last;
    const settled = Promise.withResolvers<unknown>();
    this.#open.set(id, settled);
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush());
    this.#outbox.push({ call: id, method, argument });
    this.#moving.push(...transfer);
    if (this.#outbox.length === CALLS_PER_MESSAGE_MAX) this.#flush();
    return settled.promise as Promise<T>;
  }

  #flush(): void {
    const [calls, moving] = [this.#outbox, this.#moving];
    if (calls.length === 0) return;
    this.#outbox = [];
    this.#moving = [];
    try {
      this.#port.postMessage(calls, moving);
    } catch (error) {
      // An argument that cannot travel: nothing of the message has, and no call of it will run.
      for (const { call } of calls) {
        this.#open.get(call)?.reject(error);
        this.#open.delete(call);
      }
    }
  }

  /** Rejects what is open and all later calls: the other side is gone. */
  fail(reason: Error): void {
    this.#failure ??= reason;
    for (const settled of this.#open.values()) settled.reject(reason);
    this.#open.clear();
  }

  #receive(message: AnswerMessage): void {
    const settled = this.#open.get(message.answer);
    if (settled === undefined) return;
    this.#open.delete(message.answer);
    if (message.error !== undefined) settled.reject(decodeError(message.error));
    else settled.resolve(message.value);
  }
}

/** What a worker offers: by name, one argument in, one value (or {@linkcode Transferred}) out. */
export type RemoteMethods = Readonly<Record<string, (argument: never) => unknown>>;

/** Serves `methods` on a worker's own port. */
export function serveMethods(port: PortLike, methods: RemoteMethods): void {
  port.addEventListener("message", (event) => {
    const answers = new Answers(port);
    for (const { call, method, argument } of event.data as CallMessage[]) {
      answer(answers, call, () => {
        const serve = methods[method];
        if (serve === undefined) throw new TypeError(`No remote method "${method}"`);
        return serve(argument as never);
      });
    }
    answers.send();
  });
}

/** What answers one message. */
class Answers {
  readonly #port: PortLike;
  #messages: AnswerMessage[] = [];
  #moving: Transferable[] = [];
  #isSent = false;

  constructor(port: PortLike) {
    this.#port = port;
  }

  put(message: AnswerMessage, buffers: readonly Transferable[] = []): void {
    this.#messages.push(message);
    this.#moving.push(...buffers);
    // A method that took its time answers alone.
    if (this.#isSent) this.send();
  }

  send(): void {
    this.#isSent = true;
    const [messages, moving] = [this.#messages, this.#moving];
    this.#messages = [];
    this.#moving = [];
    if (messages.length === 0) return;
    try {
      this.#port.postMessage(messages, moving);
    } catch (error) {
      // Nothing has moved: each goes alone, by copy, and one that cannot fails its own call.
      for (const message of messages) this.#sendAlone(message, error);
    }
  }

  #sendAlone(message: AnswerMessage, error: unknown): void {
    try {
      this.#port.postMessage([message]);
    } catch {
      this.#port.postMessage([{ answer: message.answer, error: encodeError(error) }]);
    }
  }
}

function answer(answers: Answers, call: number, run: () => unknown): void {
  const refuse = (error: unknown) => answers.put({ answer: call, error: encodeError(error) });
  const give = (result: unknown) => {
    if (result instanceof Transferred) {
      answers.put({ answer: call, value: result.value }, result.buffers);
    } else {
      answers.put({ answer: call, value: result });
    }
  };
  try {
    const result = run();
    // A synchronous result is put in its place at once, so answers keep the order of the calls.
    if (result instanceof Promise) result.then(give).catch(refuse);
    else give(result);
  } catch (error) {
    refuse(error);
  }
}
