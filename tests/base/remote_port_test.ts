import assert from "node:assert/strict";
import { InvalidValueError, LimitError, OverloadError } from "../../src/base/errors.ts";
import {
  CALLS_PER_MESSAGE_MAX,
  decodeError,
  encodeError,
  type PortLike,
  registerErrorClass,
  RemotePort,
  serveMethods,
  Transferred,
} from "../../src/base/remote_port.ts";

class OwnError extends Error {
  override readonly name = "OwnError";
  readonly place: string;

  constructor(place: string) {
    super(`Broken at ${place}`);
    this.place = place;
  }
}

/** Both ends of a channel, closed behind the test. */
async function withChannel(body: (near: PortLike, far: PortLike) => Promise<void>): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  port1.start();
  port2.start();
  try {
    await body(port1 as unknown as PortLike, port2 as unknown as PortLike);
  } finally {
    port1.close();
    port2.close();
  }
}

Deno.test("RemotePort awaits values, promises and errors of the other side", () =>
  withChannel(async (near, far) => {
    serveMethods(far, {
      double: (x: number) => 2 * x,
      later: async (x: number) => await Promise.resolve(x + 1),
      refuse: () => {
        throw new LimitError("THINGS_MAX", 3, 5, "things");
      },
      refuseLater: () => Promise.reject(new OverloadError("busy", 7)),
    });
    const port = new RemotePort(near);
    assert.equal(await port.call("double", 21), 42);
    assert.equal(await port.call("later", 1), 2);
    await assert.rejects(
      port.call("refuse", null),
      (error: Error) =>
        error instanceof LimitError && error.limit === 3 && error.field === "things",
    );
    await assert.rejects(
      port.call("refuseLater", null),
      (error: Error) => error instanceof OverloadError && error.retryAfterS === 7,
    );
    await assert.rejects(port.call("unknown", null), /No remote method "unknown"/);
    assert.equal(port.openCalls, 0);
  }));

Deno.test("RemotePort gets moved buffers and keeps the order of its calls", () =>
  withChannel(async (near, far) => {
    const kept = new Float64Array([1, 2, 3]);
    serveMethods(far, {
      move: () => new Transferred(kept, [kept.buffer]),
      same: (x: number) => x,
    });
    const port = new RemotePort(near);
    const order: number[] = [];
    await Promise.all([3, 1, 2].map(async (x) => order.push(await port.call<number>("same", x))));
    assert.deepEqual(order, [3, 1, 2]);
    assert.deepEqual(await port.call("move", null), new Float64Array([1, 2, 3]));
    assert.equal(kept.length, 0, "the buffer has moved");
  }));

Deno.test("RemotePort rejects open and later calls once the other side is gone", () =>
  withChannel(async (near) => {
    const port = new RemotePort(near);
    const open = port.call("never", null);
    port.fail(new Error("gone"));
    await assert.rejects(open, /gone/);
    await assert.rejects(port.call("never", null), /gone/);
  }));

/** Messages that go through a port. */
function counted(port: PortLike): { port: PortLike; sent: unknown[][] } {
  const sent: unknown[][] = [];
  return {
    sent,
    port: {
      postMessage(message, transfer) {
        port.postMessage(message, transfer);
        sent.push(message as unknown[]);
      },
      addEventListener: port.addEventListener.bind(port),
    },
  };
}

Deno.test("RemotePort sends the calls of a turn together, no more than its limit", () =>
  withChannel(async (near, far) => {
    const [calling, serving] = [counted(near), counted(far)];
    serveMethods(serving.port, {
      same: (x: number) => x,
      later: async (x: number) => await Promise.resolve(x),
    });
    const port = new RemotePort(calling.port);
    const count = 2 * CALLS_PER_MESSAGE_MAX + 3;
    const values = Array.from({ length: count }, (_, i) => i);
    assert.deepEqual(await Promise.all(values.map((x) => port.call("same", x))), values);
    const sizes = [CALLS_PER_MESSAGE_MAX, CALLS_PER_MESSAGE_MAX, 3];
    assert.deepEqual(calling.sent.map((calls) => calls.length), sizes);
    assert.deepEqual(serving.sent.map((answers) => answers.length), sizes);
    // One that takes its time keeps nobody waiting.
    const mixed = await Promise.all([port.call("later", 1), port.call("same", 2)]);
    assert.deepEqual(mixed, [1, 2]);
    assert.deepEqual(serving.sent.slice(3).map((answers) => answers.length), [1, 1]);
  }));

Deno.test("RemotePort rejects calls whose argument or result cannot travel, and goes on", () =>
  withChannel(async (near, far) => {
    serveMethods(far, { same: (x: unknown) => x, odd: () => () => 0 });
    const port = new RemotePort(near);
    await assert.rejects(port.call("same", () => 0), { name: "DataCloneError" });
    const [odd, fine] = await Promise.allSettled([port.call("odd", null), port.call("same", 3)]);
    assert.equal(odd.status, "rejected");
    assert.deepEqual(fine, { status: "fulfilled", value: 3 });
    assert.equal(port.openCalls, 0);
  }));

Deno.test("decodeError() gives back class, message and fields", () => {
  const back = decodeError(encodeError(new InvalidValueError("horizon", -1, "a positive number")));
  assert.ok(back instanceof InvalidValueError && back instanceof RangeError);
  assert.equal(back.message, 'horizon is "-1", expected a positive number');
  assert.equal(back.field, "horizon");
  assert.equal(back.name, "InvalidValueError");
  assert.equal(decodeError(encodeError("just text")).message, "just text");
  assert.ok(!(decodeError(encodeError(new OwnError("x"))) instanceof OwnError));
  registerErrorClass(OwnError);
  const own = decodeError(encodeError(new OwnError("x")));
  assert.ok(own instanceof OwnError && own.place === "x");
});
