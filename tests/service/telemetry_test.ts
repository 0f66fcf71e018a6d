import assert from "node:assert/strict";
import { Telemetry } from "../../src/service/telemetry.ts";

Deno.test("Telemetry counts samples by outcome and requests by status", async () => {
  const telemetry = new Telemetry({ processMetrics: false });
  telemetry.countSamples({ accepted: 3, duplicates: 1, late: 0, rejected: 2 }, 4);
  telemetry.countRequest("POST", 200, 0.004);
  telemetry.countRequest("GET", 404, 0.2);
  telemetry.countAlarms(2);
  telemetry.addUnapplied(5);
  telemetry.addUnapplied(-2);
  const text = await telemetry.text(7);
  for (
    const line of [
      'driftline_samples_total{outcome="accepted"} 3',
      'driftline_samples_total{outcome="rejected"} 2',
      "driftline_values_ignored_total 4",
      'driftline_http_requests_total{method="GET",status="404"} 1',
      'driftline_http_request_seconds_bucket{le="0.005",method="POST"} 1',
      "driftline_alarms_total 2",
      "driftline_subscribers 7",
      "driftline_unapplied_samples 3",
    ]
  ) {
    assert.ok(text.split("\n").includes(line), line);
  }
});

Deno.test("Telemetry does not count methods by names that clients invent", async () => {
  const telemetry = new Telemetry({ processMetrics: false });
  for (const method of ["BREW", "WHEN", "PROPFIND"]) telemetry.countRequest(method, 405, 0.001);
  const text = await telemetry.text(0);
  assert.match(text, /driftline_http_requests_total\{method="other",status="405"\} 3/);
  assert.doesNotMatch(text, /BREW/);
});

Deno.test("two Telemetry objects share no counter", async () => {
  const one = new Telemetry({ processMetrics: false });
  const two = new Telemetry({ processMetrics: true });
  one.countAlarms(1);
  assert.match(await two.text(0), /driftline_alarms_total 0/);
  assert.match(await two.text(0), /process_start_time_seconds/);
});

Deno.test("openLog() writes JSON lines of its level and above to standard error", async () => {
  const url = new URL("../../src/service/telemetry.ts", import.meta.url);
  const script = `import { openLog } from ${JSON.stringify(url.href)};
    const { log, close } = await openLog("info");
    log.debug("hidden");
    log.info("Listening on {address}", { address: "127.0.0.1:1" });
    await close();`;
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", script],
    cwd: `${import.meta.dirname}/../..`,
  }).output();
  assert.equal(code, 0);
  const lines = new TextDecoder().decode(stderr).trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 1);
  assert.equal(lines[0].level, "INFO");
  assert.equal(lines[0].properties.address, "127.0.0.1:1");
});
