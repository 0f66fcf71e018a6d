/**
 * `deno task test`: every test, on a machine as it is found.
 *
 * The shaders need a WebGPU adapter. Where none exists and this user may install packages, Debian's
 * software Vulkan driver is installed first; otherwise its name is printed and the tests that need
 * an adapter are skipped visibly, or fail under `REQUIRE_GPU=1`.
 *
 * Arguments are passed on to `deno test`; without a path all of `tests/` runs.
 */
const DRIVER_PACKAGE = "mesa-vulkan-drivers";

const here = import.meta.dirname!;
const root = `${here}/..`;

/** A new process each time: a Vulkan loader that found no driver does not look again. */
async function adapterName(): Promise<string | null> {
  const script = "const a = await navigator.gpu?.requestAdapter();" +
    "if (a) console.log(a.info?.description || a.info?.device || 'adapter');";
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", script],
    stderr: "null",
    env: environment,
  }).output();
  const name = new TextDecoder().decode(stdout).trim();
  return code === 0 && name !== "" ? name : null;
}

/** What the tests and the search for an adapter run with. */
const environment: Readonly<Record<string, string>> = {
  // Mesa's libraries write a warning to standard error at each start without it.
  XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? Deno.makeTempDirSync(),
  // Mesa's OpenGL is no substitute: some shaders never end there.
  DENO_WEBGPU_BACKEND: Deno.env.get("DENO_WEBGPU_BACKEND") ?? "vulkan",
};

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    const status = await new Deno.Command(command, {
      args,
      stdin: "null",
      env: { DEBIAN_FRONTEND: "noninteractive" },
    }).spawn().status;
    return status.success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function mayInstall(): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  const path = (Deno.env.get("PATH") ?? "").split(":");
  return path.some((folder) => {
    try {
      return Deno.statSync(`${folder}/apt-get`).isFile;
    } catch {
      return false;
    }
  });
}

async function findAdapter(): Promise<string | null> {
  const found = await adapterName();
  if (found !== null) return found;
  if (!mayInstall()) {
    console.log(
      `No WebGPU adapter. On Debian or Ubuntu, "apt-get install ${DRIVER_PACKAGE}" brings one in ` +
        `software; without it the tests of shaders are skipped.`,
    );
    return null;
  }
  console.log(`No WebGPU adapter: installing Debian's ${DRIVER_PACKAGE} (software Vulkan).`);
  const installed = await succeeds("apt-get", ["update", "-qq"]) &&
    await succeeds("apt-get", [
      "install",
      "-y",
      "-qq",
      "--no-install-recommends",
      DRIVER_PACKAGE,
    ]);
  if (!installed) console.log(`The installation of ${DRIVER_PACKAGE} failed.`);
  return await adapterName();
}

const adapter = await findAdapter();
if (adapter !== null) console.log(`WebGPU adapter: ${adapter}`);

// Hardware drivers are opened by one test file at a time; the software driver bears several.
const isSoftware = adapter === null || /llvmpipe|swiftshader/i.test(adapter);
const pace = isSoftware ? ["--parallel"] : [];

const passedOn = [...Deno.args];
const hasPath = passedOn.some((argument) => !argument.startsWith("-"));
const { code } = await new Deno.Command(Deno.execPath(), {
  args: ["test", "-A", ...pace, ...passedOn, ...(hasPath ? [] : [`${root}/tests`])],
  cwd: root,
  env: environment,
}).spawn().status;
Deno.exit(code);
