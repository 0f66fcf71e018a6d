/**
 * Builds the SIMD kernels: `simd/assembly` (AssemblyScript) -> `src/device/simd.wasm`.
 *
 *   deno task simd:build
 *
 * The result is a function of the sources and of the pinned compiler alone: the same bytes on every
 * machine, which tests/device/simd_test.ts checks against the file in the repository.
 */

/** The part of the compiler's interface that is used; its own types redeclare numeric globals. */
interface Compiler {
  main(arguments_: readonly string[], host: {
    readFile(name: string): string | null;
    writeFile(name: string, contents: string | Uint8Array): void;
    listFiles(folder: string): string[];
  }): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

/** Not a literal in the import, so that type checking does not follow it. */
const COMPILER = "assemblyscript/asc";

const ROOT = import.meta.dirname!;
const TARGET = `${ROOT}/../src/device/simd.wasm`;

/** Pages of 64 KiB: copies and scratch of a run, arrays held (`PAGES_MAX` in src/device/simd.ts). */
const PAGES_MAX = 61_440;

const FLAGS: readonly string[] = [
  "-O3",
  "--noAssert",
  ...["--runtime", "stub", "--use", "abort="],
  ...["--enable", "simd,threads"],
  ...["--importMemory", "--sharedMemory", "--initialMemory", "1"],
  ...["--maximumMemory", `${PAGES_MAX}`],
  // Vectors only pass between functions of the module, never to JavaScript.
  ...["--disableWarning", "112"],
];

/**
 * Compiles the kernels.
 *
 * @returns the module's bytes
 * @throws {Error} the compiler refused the sources; its messages are in the text
 */
export async function buildSimd(): Promise<Uint8Array<ArrayBuffer>> {
  const { default: asc } = await import(COMPILER) as { default: Compiler };
  let built: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ["index.ts", "--outFile", "simd.wasm", ...FLAGS],
    {
      readFile: (name) => readSource(name),
      writeFile: (_name, contents) => {
        if (typeof contents !== "string") built = contents;
      },
      listFiles: () => [],
    },
  );
  if (error || built === undefined) throw new Error(`${error?.message ?? "No output"}\n${stderr}`);
  return new Uint8Array(built);
}

/** A source file, or null where the compiler tries a name that is none. */
function readSource(name: string): string | null {
  try {
    return Deno.readTextFileSync(`${ROOT}/assembly/${name}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

if (import.meta.main) {
  const bytes = await buildSimd();
  await Deno.writeFile(TARGET, bytes);
  console.log(`src/device/simd.wasm: ${bytes.length} bytes`);
}
