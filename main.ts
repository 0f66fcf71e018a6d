import { runCommandLine } from "./src/cli/mod.ts";

if (import.meta.main) Deno.exit(await runCommandLine(Deno.args));
