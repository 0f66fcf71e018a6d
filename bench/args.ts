/** The arguments of a bench. `deno task bench -- --json` hands on the two dashes, too. */
export const ARGS: readonly string[] = Deno.args[0] === "--" ? Deno.args.slice(1) : Deno.args;
