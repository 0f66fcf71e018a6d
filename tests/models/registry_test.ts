import assert from "node:assert/strict";
import { sha256Hex } from "../../src/base/hash.ts";
import {
  NETWORK_BYTES_MAX,
  networkNamed,
  networkOfId,
  NETWORKS_MAX,
  readNetwork,
  serveNetwork,
  servingNetworks,
  withdrawNetwork,
} from "../../src/models/registry.ts";
import { drawnNetwork } from "./neural/_network.ts";

Deno.test("readNetwork() tells what a file holds", () => {
  const bytes = drawnNetwork();
  const network = readNetwork("lti", bytes, sha256Hex(bytes));
  assert.equal(network.hash, sha256Hex(bytes));
  assert.equal(network.id, `lti@${network.hash.slice(0, 16)}`);
  assert.equal(network.kind, "s5");
  assert.ok(network.parameters > 1000);
  assert.ok(network.stateBytesMax < 16 * 1024);
  assert.equal(network.runner(), network.runner());
});

Deno.test("readNetwork() refuses names, sizes, hashes and files by name", () => {
  const bytes = drawnNetwork();
  assert.throws(() => readNetwork("A b", bytes), /network is "A b", expected a name of a-z/);
  assert.throws(() => readNetwork("lti", bytes, "00"), /lti\.sha256 is "00", expected the file's/);
  const large = new Uint8Array(NETWORK_BYTES_MAX + 1);
  assert.throws(() => readNetwork("lti", large), /NETWORK_BYTES_MAX/);
  assert.throws(() => readNetwork("lti", bytes.subarray(0, 100)), SyntaxError);
});

Deno.test("serveNetwork() replaces by name, and keeps what states were made with", () => {
  const first = readNetwork("tuned", drawnNetwork({}, 1));
  const second = readNetwork("tuned", drawnNetwork({}, 2));
  serveNetwork(first);
  assert.equal(networkNamed("tuned"), first);
  serveNetwork(second);
  assert.equal(networkNamed("tuned"), second);
  assert.deepEqual(servingNetworks(), [second]);
  assert.equal(networkOfId(first.id), first);
  // The same file again is the same network: its runner stays open.
  serveNetwork(readNetwork("tuned", drawnNetwork({}, 2)));
  assert.equal(networkNamed("tuned"), second);
  withdrawNetwork("tuned");
  assert.equal(networkNamed("tuned"), undefined);
  assert.equal(networkOfId(second.id), second);
  assert.throws(() => networkOfId("other@0"), /network is "other@0"/);
});

Deno.test("serveNetwork() serves no more than its limit, and forgets those replaced first", () => {
  const bytes = drawnNetwork();
  for (let i = 0; i < NETWORKS_MAX; i++) serveNetwork(readNetwork(`n${i}`, bytes));
  assert.equal(servingNetworks().length, NETWORKS_MAX);
  assert.throws(() => serveNetwork(readNetwork("more", bytes)), /NETWORKS_MAX/);
  for (let i = 0; i < NETWORKS_MAX; i++) networkOfId(networkNamed(`n${i}`)!.id);
  for (let i = 0; i < NETWORKS_MAX; i++) withdrawNetwork(`n${i}`);
});
