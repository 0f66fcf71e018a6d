import assert from "node:assert/strict";
import fc from "fast-check";
import { LimitError, ProtocolError } from "../../src/base/errors.ts";
import { protocolOfName, protocols } from "../../src/protocols/mod.ts";
import {
  decodeBody,
  type Decoded,
  type DecodeOptions,
  type Protocol,
} from "../../src/protocols/protocol.ts";
import { type Segment, validateSegment } from "../../src/signal/segment.ts";
import { formatTimestamp, type TimestampPrecision } from "../../src/signal/timestamp.ts";

interface PlainSegment {
  streamId: string;
  channels: string[];
  timestamps: string[];
  values: (number | null)[][];
}

interface Expected {
  options: {
    streamId?: string;
    precision?: TimestampPrecision;
    nowNs?: string;
    startNs?: string;
    timestampColumn?: string;
    valueColumns?: string[];
  };
  segments?: PlainSegment[];
  ignoredCount?: number;
  error?: { offset: number; field: string | null; message: string };
}

interface Fixture {
  name: string;
  protocol: Protocol;
  bytes: Uint8Array;
  options: DecodeOptions;
  expected: Expected;
}

const ROOT = new URL("../testdata/protocols/", import.meta.url);

function loadFixtures(): Fixture[] {
  const fixtures: Fixture[] = [];
  for (const folder of Deno.readDirSync(ROOT)) {
    if (!folder.isDirectory) continue;
    const protocol = protocolOfName(folder.name);
    assert.ok(protocol, `a protocol called ${folder.name}`);
    for (const entry of Deno.readDirSync(new URL(`${folder.name}/`, ROOT))) {
      const at = new URL(`${folder.name}/${entry.name}/`, ROOT);
      const input = [...Deno.readDirSync(at)].find((file) => file.name.startsWith("input."));
      assert.ok(input, `${at} has an input`);
      const expected: Expected = JSON.parse(Deno.readTextFileSync(new URL("expected.json", at)));
      const { nowNs, startNs, ...rest } = expected.options;
      const options = {
        ...rest,
        nowNs: nowNs === undefined ? undefined : BigInt(nowNs),
        startNs: startNs === undefined ? undefined : BigInt(startNs),
      };
      const bytes = Deno.readFileSync(new URL(input.name, at));
      fixtures.push({ name: `${folder.name}/${entry.name}`, protocol, bytes, options, expected });
    }
  }
  return fixtures.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function plain(segments: readonly Segment[]): PlainSegment[] {
  return segments.map((segment) => ({
    streamId: segment.streamId,
    channels: [...segment.channels],
    timestamps: Array.from(segment.timestampsNs, formatTimestamp),
    values: segment.values.map((column) => {
      return Array.from(column, (value) => (Number.isNaN(value) ? null : value));
    }),
  }));
}

function decodeInPieces(fixture: Fixture, cuts: readonly number[]): Decoded {
  const decoder = fixture.protocol.open(fixture.options);
  let from = 0;
  for (const cut of [...cuts, fixture.bytes.length]) {
    // A copy that is wiped after the push: a decoder must not keep the caller's memory.
    const piece = fixture.bytes.slice(from, cut);
    decoder.push(piece);
    piece.fill(0x78);
    from = cut;
  }
  return decoder.finish();
}

function errorOf(work: () => unknown): ProtocolError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ProtocolError, `expected a ProtocolError, got ${error}`);
    return error;
  }
  assert.fail("expected a ProtocolError");
}

function describeOutcome(work: () => Decoded): unknown {
  try {
    const decoded = work();
    return { segments: plain(decoded.segments), ignoredCount: decoded.ignoredCount };
  } catch (error) {
    assert.ok(error instanceof ProtocolError || error instanceof LimitError, String(error));
    return {
      message: error.message,
      offset: error instanceof ProtocolError ? error.offset : null,
    };
  }
}

const fixtures = loadFixtures();

for (const fixture of fixtures) {
  Deno.test(`protocol ${fixture.name} gives what its fixture expects`, () => {
    const { expected } = fixture;
    if (expected.error !== undefined) {
      const error = errorOf(() => decodeBody(fixture.protocol, fixture.bytes, fixture.options));
      assert.equal(error.protocol, fixture.protocol.name);
      assert.ok(
        error.message.includes(expected.error.message),
        `"${error.message}" says "${expected.error.message}"`,
      );
      assert.equal(error.offset, expected.error.offset, error.message);
      assert.equal(error.field ?? null, expected.error.field, error.message);
    } else {
      const decoded = decodeBody(fixture.protocol, fixture.bytes, fixture.options);
      assert.deepEqual(plain(decoded.segments), expected.segments);
      assert.equal(decoded.ignoredCount, expected.ignoredCount ?? 0);
      for (const segment of decoded.segments) validateSegment(segment);
    }
  });
}

Deno.test("every protocol has good and malformed fixtures", () => {
  for (const protocol of protocols) {
    const own = fixtures.filter((fixture) => fixture.protocol === protocol);
    assert.ok(own.some((fixture) => fixture.expected.segments !== undefined), protocol.name);
    assert.ok(own.some((fixture) => fixture.expected.error !== undefined), protocol.name);
  }
});

Deno.test("any split of the bytes gives the same segments or the same error", () => {
  for (const fixture of fixtures) {
    const whole = describeOutcome(() => {
      return decodeBody(fixture.protocol, fixture.bytes, fixture.options);
    });
    const everyByte = Array.from({ length: fixture.bytes.length }, (_, at) => at);
    assert.deepEqual(
      describeOutcome(() => decodeInPieces(fixture, everyByte)),
      whole,
      fixture.name,
    );
    for (let cut = 0; cut <= fixture.bytes.length; cut++) {
      assert.deepEqual(describeOutcome(() => decodeInPieces(fixture, [cut])), whole, fixture.name);
    }
  }
});

Deno.test("a body cut short never gives segments of a broken sample", () => {
  for (const fixture of fixtures.filter((one) => one.expected.segments !== undefined)) {
    const count = fixture.expected.segments!.reduce((sum, one) => sum + one.timestamps.length, 0);
    for (let length = 0; length < fixture.bytes.length; length++) {
      const part = { ...fixture, bytes: fixture.bytes.subarray(0, length) };
      try {
        const decoded = decodeInPieces(part, []);
        const got = decoded.segments.reduce((sum, one) => sum + one.timestampsNs.length, 0);
        assert.ok(got <= count, fixture.name);
        for (const segment of decoded.segments) validateSegment(segment);
      } catch (error) {
        assert.ok(error instanceof ProtocolError || error instanceof LimitError, String(error));
      }
    }
  }
});

/** Every value that a body holds, with its place; none for a body without samples. */
function valuesOf(protocol: Protocol, bytes: Uint8Array, options: DecodeOptions): string[] {
  try {
    return plain(decodeBody(protocol, bytes, options).segments).flatMap((segment) =>
      segment.channels.flatMap((channel, c) =>
        segment.values[c]!.map((value, i) =>
          `${segment.streamId} ${channel} ${segment.timestamps[i]} ${value}`
        )
      )
    ).filter((entry) => !entry.endsWith(" null"));
  } catch (error) {
    assert.match(String(error), /no sample/);
    return [];
  }
}

Deno.test("a body cut where its protocol says holds the same values in its parts", () => {
  for (const { name, protocol, bytes, options, expected } of fixtures) {
    if (protocol.cut === "whole" || expected.segments === undefined) continue;
    const whole = valuesOf(protocol, bytes, options).sort();
    const header = protocol.cut === "header" ? bytes.subarray(0, bytes.indexOf(10) + 1) : [];
    bytes.forEach((byte, at) => {
      if (byte !== 0x0a) return;
      const parts = [
        bytes.subarray(0, at + 1),
        Uint8Array.of(...header, ...bytes.subarray(at + 1)),
      ];
      const first = describeOutcome(() => decodeBody(protocol, parts[0]!, options));
      // A newline inside quotes ends no line.
      if (JSON.stringify(first).includes("quote is never closed")) return;
      const values = parts.flatMap((part) => valuesOf(protocol, part, options));
      assert.deepEqual(values.sort(), whole, `${name} cut after byte ${at}`);
    });
  }
});

Deno.test("random bytes raise only ProtocolError or LimitError in every protocol", () => {
  const options = { streamId: "s", nowNs: 0n, startNs: 0n };
  for (const protocol of protocols) {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
        const fixture = { name: "", protocol, bytes, options, expected: { options: {} } };
        const whole = describeOutcome(() => decodeInPieces(fixture, []));
        const at = Math.min(cut, bytes.length);
        assert.deepEqual(describeOutcome(() => decodeInPieces(fixture, [at])), whole);
      }),
      { numRuns: 300, seed: 1 },
    );
  }
});

function assertRefusedOrValid({ protocol, options }: Fixture, bytes: Uint8Array): void {
  try {
    for (const segment of decodeBody(protocol, bytes, options).segments) validateSegment(segment);
  } catch (error) {
    assert.ok(error instanceof ProtocolError || error instanceof LimitError, String(error));
  }
}

Deno.test("a number too large for a double never becomes a value", () => {
  for (const fixture of fixtures) {
    // One character a byte, so that binary bodies go through unharmed.
    const text = String.fromCharCode(...fixture.bytes);
    for (const { 0: digits, index } of text.matchAll(/[0-9]+/g)) {
      const changed = `${text.slice(0, index)}9e999${text.slice(index + digits.length)}`;
      assertRefusedOrValid(fixture, Uint8Array.from(changed, (letter) => letter.charCodeAt(0)));
    }
  }
});

Deno.test("mutated fixtures raise only ProtocolError or LimitError, or give valid segments", () => {
  const letters = [...new TextEncoder().encode('0129-+.eE",:;=\\ {}[]\n\ri#TZnull')];
  const edit = fc.record({
    at: fc.nat(10_000),
    byte: fc.oneof(fc.constantFrom(...letters), fc.nat(255)),
    kind: fc.constantFrom("replace", "insert", "delete"),
  });
  for (const fixture of fixtures) {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        const bytes = [...fixture.bytes];
        for (const { at, byte, kind } of edits) {
          const insert = kind === "delete" ? [] : [byte];
          bytes.splice(at % (bytes.length + 1), kind === "insert" ? 0 : 1, ...insert);
        }
        assertRefusedOrValid(fixture, Uint8Array.from(bytes));
      }),
      { numRuns: 60, seed: 2 },
    );
  }
});
