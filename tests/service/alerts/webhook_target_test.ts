import assert from "node:assert/strict";
import { InvalidValueError } from "../../../src/base/errors.ts";
import {
  isPrivateAddress,
  literalAddress,
  requirePublic,
  webhookUrl,
} from "../../../src/service/alerts/webhook_target.ts";

Deno.test("isPrivateAddress() tells what is no host of the public Internet", () => {
  const hidden = [
    "127.0.0.1",
    "10.1.2.3",
    "172.31.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "2001:db8::1",
    "no address",
  ];
  for (const address of hidden) assert.equal(isPrivateAddress(address), true, address);
  for (const address of ["8.8.8.8", "172.32.0.1", "2606:4700::1111"]) {
    assert.equal(isPrivateAddress(address), false, address);
  }
});

Deno.test("webhookUrl() takes http and https without a password, and shows none", () => {
  assert.equal(webhookUrl("https://a.example/x?y=1").pathname, "/x");
  for (
    const bad of ["ftp://a.example", "//a", "", "file:///etc/passwd", "https://u:pw@a.example"]
  ) {
    assert.throws(() => webhookUrl(bad), (error: Error) => {
      assert.ok(error instanceof InvalidValueError);
      return !error.message.includes("pw@");
    });
  }
});

Deno.test("requirePublic() refuses addresses and names of this machine, however written", () => {
  const hidden = [
    "http://127.1/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://localhost:80/",
    "http://a.localhost./",
    "http://169.254.169.254/latest",
  ];
  for (const url of hidden) assert.throws(() => requirePublic(webhookUrl(url)), /public/, url);
  requirePublic(webhookUrl("https://8.8.8.8/"));
  requirePublic(webhookUrl("https://hooks.example.com/"));
  assert.equal(literalAddress(webhookUrl("http://[2606:4700::1]/")), "2606:4700::1");
  assert.equal(literalAddress(webhookUrl("http://a.example/")), null);
});
