import { LaunchWriter } from "./launch_code.ts";
import type { Command } from "./protocol.ts";

/** Commands sent at once, at most. */
export const BATCH_COMMANDS_MAX = 1024;
/** Bytes of uploads sent at once, about. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Sends a batch.
 *
 * @param numbers   its launches, as `launch_code.ts` writes them
 * @param transfer  memory that is handed over with it, that of `numbers` included
 */
export type SendBatch = (
  commands: Command[],
  numbers: Float64Array<ArrayBuffer>,
  transfer: ArrayBuffer[],
) => void;

/**
 * Commands on their way to the GPU's Worker: whatever one synchronous stretch of code issues
 * travels as one message, in order.
 */
export class CommandBatch {
  /** Launches of the commands that are not sent yet. */
  readonly launches = new LaunchWriter();
  readonly #send: SendBatch;
  #commands: Command[] = [];
  #transfer: ArrayBuffer[] = [];
  #bytes = 0;
  #isPlanned = false;

  constructor(send: SendBatch) {
    this.#send = send;
  }

  /**
   * Adds a command.
   *
   * @param handedOver  memory that goes with it
   */
  add(command: Command, handedOver?: ArrayBuffer): void {
    this.#commands.push(command);
    if (handedOver !== undefined) {
      this.#transfer.push(handedOver);
      this.#bytes += handedOver.byteLength;
    }
    const isFull = this.#commands.length >= BATCH_COMMANDS_MAX || this.#bytes > BATCH_BYTES_MAX;
    if (isFull) return this.flush();
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    queueMicrotask(() => this.flush());
  }

  /** Sends what there is now. */
  flush(): void {
    this.#isPlanned = false;
    if (this.#commands.length === 0) return;
    const commands = this.#commands;
    const numbers = this.launches.take();
    const transfer = [...this.#transfer, numbers.buffer];
    this.#empty();
    this.#send(commands, numbers, transfer);
  }

  /** Drops what has not been sent. */
  clear(): void {
    this.launches.take();
    this.#empty();
  }

  #empty(): void {
    this.#commands = [];
    this.#transfer = [];
    this.#bytes = 0;
  }
}
