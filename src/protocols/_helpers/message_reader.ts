import protobuf from "protobufjs/minimal.js";
import { ProtocolError } from "../../base/errors.ts";
import { NameCache } from "./text.ts";

/**
 * Reads messages of protocol buffers field by field. A tag is the number of a field times 8, plus
 * its wire type.
 */
export class MessageReader {
  readonly #bytes: Uint8Array;
  readonly #protocol: string;
  readonly #message: string;
  readonly #reader: ReturnType<typeof protobuf.Reader.create>;
  readonly #names: NameCache;

  /**
   * @param protocol  who reads
   * @param message   name of the outermost message, for errors
   */
  constructor(bytes: Uint8Array, protocol: string, message: string) {
    this.#bytes = bytes;
    this.#protocol = protocol;
    this.#message = message;
    this.#reader = protobuf.Reader.create(bytes);
    this.#names = new NameCache(protocol);
  }

  /**
   * Reads the fields of the outermost message.
   *
   * @param onField  reads the field of a tag, or skips it
   * @throws {ProtocolError} the bytes are no whole message
   */
  readWhole(onField: (tag: number) => void): void {
    try {
      this.#fields(this.#bytes.length, onField);
    } catch (error) {
      // So the reader names its own errors: the bytes end too early, or are of no known type.
      const { name } = error as Error;
      if (name !== "RangeError" && name !== "Error") throw error;
      this.fail(`Body is no whole ${this.#message}`);
    }
  }

  /** Reads the fields of the message that comes next. */
  readMessage(onField: (tag: number) => void): void {
    this.#fields(this.#end(), onField);
  }

  #fields(end: number, onField: (tag: number) => void): void {
    while (this.#reader.pos < end) onField(this.#reader.uint32());
    if (this.#reader.pos > end) this.fail("A message is longer than the one that holds it");
  }

  /** The end of the message, or of the text, whose length is next. */
  #end(): number {
    const length = this.#reader.uint32();
    return this.#reader.pos + length;
  }

  /** @throws {ProtocolError} bytes that are not UTF-8 */
  text(field: string): string {
    const start = this.#reader.pos;
    const end = this.#end();
    const from = this.#reader.pos;
    this.#reader.skip(end - from);
    return this.#names.decode(this.#bytes, from, end, start, field);
  }

  double(): number {
    return this.#reader.double();
  }

  bool(): boolean {
    return this.#reader.bool();
  }

  uint32(): number {
    return this.#reader.uint32();
  }

  /** A whole number of 64 bits, to the nearest double. */
  int64(): number {
    return asNumber(this.#reader.int64());
  }

  /** The same with a sign, of a fixed length. */
  sfixed64(): number {
    return asNumber(this.#reader.sfixed64());
  }

  /** A whole number of 64 bits without a sign, of a fixed length. */
  fixed64(): bigint {
    const low = this.#reader.fixed32();
    const high = this.#reader.fixed32();
    return BigInt(high) << 32n | BigInt(low);
  }

  /** Goes past the field of a tag. */
  skip(tag: number): void {
    this.#reader.skipType(tag & 7);
  }

  fail(message: string, field?: string): never {
    throw new ProtocolError(this.#protocol, this.#reader.pos, message, field);
  }
}

function asNumber(value: unknown): number {
  return typeof value === "number" ? value : (value as { toNumber(): number }).toNumber();
}
