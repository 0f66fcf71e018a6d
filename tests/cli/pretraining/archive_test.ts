import assert from "node:assert/strict";
import { packageMembers, tarMembers } from "../../../src/cli/pretraining/archive.ts";
import { tarOf, zipped } from "./_tar.ts";

const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** By GNU tar and xz: `./usr/a.csv`, and `b.csv` below 24 folders `deep`. */
const TAR_XZ = [
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/AKhdABcLyyeJ8u0E4T4c3u2dJPSfxZQtCpwTQHZ6mP4I5OL+wlDLa6pX",
  "BLLDY8LPkp/+aRrAzyIjpp92rJeygjM1sazsliXdMAa7jUjpdPEApNv+H3d3xvgSmAxJiAN7XurZiwce+7tjoatLQRi/",
  "aS+s+QVU6Xg/iZh09FmT5sEz/xeRw36DMWNDJOqihy/iNqNfVIIJFd1YLfrLqDlwI5va8FeXDwSGwKgAAADmtJFa1su2",
  "HwABxAGAUAAARDmp9bHEZ/sCAAAAAARZWg==",
].join("");

/** An ar archive as dpkg-deb writes it: each member padded to an even size. */
function ar(members: Readonly<Record<string, Uint8Array>>): Uint8Array<ArrayBuffer> {
  const parts: number[] = [...new TextEncoder().encode("!<arch>\n")];
  for (const [name, body] of Object.entries(members)) {
    const fields = [name.padEnd(16), "0".padEnd(12), "0".padEnd(6), "0".padEnd(6)];
    const header = `${fields.join("")}${"100644".padEnd(8)}${`${body.length}`.padEnd(10)}\`\n`;
    parts.push(...new TextEncoder().encode(header), ...body);
    if (body.length % 2 === 1) parts.push(10);
  }
  return Uint8Array.from(parts);
}

Deno.test("packageMembers() opens a package of npm", async () => {
  const bytes = await zipped(tarOf({ "package/data/data.csv": "a\n1\n", "package/x": "" }));
  const members = await packageMembers("a-1.0.0.tgz", bytes);
  assert.deepEqual([...members.keys()], ["package/data/data.csv", "package/x"]);
  assert.equal(textOf(members.get("package/data/data.csv")), "a\n1\n");
});

Deno.test("packageMembers() opens a package of Debian, long paths too", async () => {
  const data = Uint8Array.from(atob(TAR_XZ), (c) => c.charCodeAt(0));
  const bytes = ar({ "debian-binary": new TextEncoder().encode("2.0"), "data.tar.xz/": data });
  const members = await packageMembers("a_1_all.deb", bytes);
  assert.equal(textOf(members.get("usr/a.csv")), "births\n1\n2\n");
  assert.equal(textOf(members.get(`usr/${"deep/".repeat(24)}b.csv`)), "x\n");
});

Deno.test("packageMembers() refuses other files", async () => {
  await assert.rejects(packageMembers("a.zip", new Uint8Array(9)), /a .tgz or .deb file/);
  await assert.rejects(packageMembers("a.deb", new Uint8Array(99)), /those of an ar archive/);
  await assert.rejects(packageMembers("a.deb", ar({})), /one with data.tar.xz/);
});

Deno.test("tarMembers() refuses an archive that is cut short", () => {
  const bytes = tarOf({ a: "x".repeat(2_000) });
  assert.throws(() => tarMembers(bytes.subarray(0, 1_024)), /2000 bytes of a/);
});
