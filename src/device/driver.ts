/**
 * What Vulkan drivers want of the process that uses them. They load with the first device and
 * unload with the last, and must never do both at once.
 */

let lastTurn: Promise<unknown> = Promise.resolve();

/** Runs tasks one after the other: never does one open a device while another closes one. */
export function inTurn<T>(task: () => Promise<T>): Promise<T> {
  const result = lastTurn.then(task);
  lastTurn = result.catch(() => {});
  return result;
}

/**
 * On Linux only Vulkan counts: on Mesa's OpenGL, which the runtime falls back to, compute shaders
 * stood still. And Mesa complains on stderr unless XDG_RUNTIME_DIR names a folder.
 */
export function prepareLinux(): void {
  if (Deno.build.os !== "linux") return;
  const defaults = {
    DENO_WEBGPU_BACKEND: "vulkan",
    XDG_RUNTIME_DIR: Deno.env.get("TMPDIR") ?? "/tmp",
  };
  for (const [name, value] of Object.entries(defaults)) {
    if (!Deno.env.get(name)) Deno.env.set(name, value);
  }
}
