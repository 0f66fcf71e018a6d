import assert from "node:assert/strict";
import { InvalidValueError } from "../../src/base/errors.ts";
import { allowedHosts, isLoopback, PORT_DEFAULT, readConfig } from "../../src/service/config.ts";

const none = () => undefined;
const from = (variables: Record<string, string>) => (name: string) => variables[name];

Deno.test("readConfig() is loopback and sqlite when nothing is given", () => {
  const config = readConfig({}, none);
  assert.equal(config.host, "127.0.0.1");
  assert.equal(config.port, PORT_DEFAULT);
  assert.equal(config.store, "sqlite");
  assert.equal(config.token, undefined);
});

Deno.test("readConfig() takes the environment, and flags over it", () => {
  const variables = from({
    DRIFTLINE_PORT: "9000",
    DRIFTLINE_DATA: "/tmp/a",
    DRIFTLINE_WORKERS: "2",
    DRIFTLINE_STATE_MEMORY: "64",
  });
  assert.equal(readConfig({}, variables).port, 9000);
  const config = readConfig({ port: "0", workers: undefined }, variables);
  assert.equal(config.port, 0);
  assert.equal(config.workers, 2);
  assert.equal(config.stateMemory, 64);
  assert.equal(readConfig({}, none).stateMemory, undefined);
  assert.equal(config.data, "/tmp/a");
});

Deno.test("readConfig() names the flag or variable at fault and hides a token", () => {
  const fault = (flags: Record<string, unknown>, variables: Record<string, string> = {}) => {
    try {
      readConfig(flags, from(variables));
    } catch (error) {
      assert.ok(error instanceof InvalidValueError);
      return error;
    }
    throw new Error("accepted");
  };
  assert.equal(fault({ port: "70000" }).field, "--port");
  assert.equal(fault({ port: "8e3" }).field, "--port");
  assert.match(fault({ stateMemory: "15" }).message, /--state-memory .* from 16 to 1048576/);
  assert.equal(fault({ stateMemory: "1048577" }).field, "--state-memory");
  assert.equal(fault({}, { DRIFTLINE_STORE: "oracle" }).field, "DRIFTLINE_STORE");
  assert.equal(fault({ logLevel: "loud" }).field, "--log-level");
  const token = fault({}, { DRIFTLINE_TOKEN: "hunter2" });
  assert.equal(token.field, "DRIFTLINE_TOKEN");
  assert.doesNotMatch(token.message, /hunter2/);
});

Deno.test("readConfig() refuses to serve others without a token unless told to", () => {
  assert.throws(
    () => readConfig({ host: "0.0.0.0" }, none),
    /--host is "0.0.0.0".*DRIFTLINE_TOKEN/,
  );
  assert.equal(readConfig({ host: "0.0.0.0", open: true }, none).open, true);
  const token = "0123456789abcdef";
  assert.equal(readConfig({ host: "0.0.0.0" }, from({ DRIFTLINE_TOKEN: token })).token, token);
});

Deno.test("isLoopback() knows the loopback addresses", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.8.8", "::1"]) assert.ok(isLoopback(host));
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "example.org", "127.evil.example"]) {
    assert.ok(!isLoopback(host));
  }
});

Deno.test("allowedHosts() are this machine's alone on loopback without a token, else any", () => {
  const of = (flags: Record<string, unknown>, variables: Record<string, string> = {}) =>
    allowedHosts(readConfig(flags, from(variables)));
  assert.deepEqual(of({}), []);
  assert.equal(of({}, { DRIFTLINE_TOKEN: "0123456789abcdef" }), null);
  assert.equal(of({ host: "0.0.0.0", open: true }), null);
  assert.deepEqual(of({ hosts: "Drift.example, 10.0.0.5,[fd00::1]" }), [
    "drift.example",
    "10.0.0.5",
    "[fd00::1]",
  ]);
  assert.equal(of({}, { DRIFTLINE_HOSTS: "*" }), null);
  for (const hosts of ["drift.example:8733", "http://drift.example", "a,,b", " ", "*.example"]) {
    assert.throws(() => of({ hosts }), { field: "--hosts" }, hosts);
  }
});
