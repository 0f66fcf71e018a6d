import { addBodyBytes, type Decoded, type Decoder } from "../protocol.ts";

/** A decoder for bodies that must be whole to be read: collects the pieces up to the body limit. */
export class BufferedDecoder implements Decoder {
  readonly #decode: (bytes: Uint8Array) => Decoded;
  #pieces: Uint8Array[] = [];
  #byteCount = 0;

  constructor(decode: (bytes: Uint8Array) => Decoded) {
    this.#decode = decode;
  }

  push(bytes: Uint8Array): void {
    this.#byteCount = addBodyBytes(this.#byteCount, bytes.length);
    if (bytes.length > 0) this.#pieces.push(bytes.slice());
  }

  finish(): Decoded {
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : new Uint8Array(this.#byteCount);
    if (this.#pieces.length !== 1) {
      let at = 0;
      for (const piece of this.#pieces) {
        whole.set(piece, at);
        at += piece.length;
      }
    }
    this.#pieces = [];
    return this.#decode(whole);
  }
}
