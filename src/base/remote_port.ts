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
 */

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
  #last = 0;
  #failure: Error | null = null;

  constructor(port: PortLike) {
    this.#port = port;
    port.addEventListener("message", (event) => this.#receive(event.data as AnswerMessage));
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
    const message: CallMessage = { call: id, method, argument };
    this.#port.postMessage(message, transfer);
    return settled.promise as Promise<T>;
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
    const { call, method, argument } = event.data as CallMessage;
    answer(port, call, () => {
      const serve = methods[method];
      if (serve === undefined) throw new TypeError(`No remote method "${method}"`);
      return serve(argument as never);
    });
  });
}

function answer(port: PortLike, call: number, run: () => unknown): void {
  const refuse = (error: unknown) => {
    port.postMessage({ answer: call, error: encodeError(error) } satisfies AnswerMessage);
  };
  const send = (result: unknown) => {
    if (result instanceof Transferred) {
      port.postMessage({ answer: call, value: result.value }, result.buffers);
    } else {
      port.postMessage({ answer: call, value: result } satisfies AnswerMessage);
    }
  };
  try {
    const result = run();
    // A synchronous result is sent in the same turn, so answers keep the order of the calls.
    if (result instanceof Promise) result.then(send).catch(refuse);
    else send(result);
  } catch (error) {
    refuse(error);
  }
}
