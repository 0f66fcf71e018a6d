/** Whether git is there and knows this tree: not on a fresh machine, not in a copy of the files. */
export const hasHistory: boolean = await knowsThisTree();

async function knowsThisTree(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("git", { args: ["rev-parse", "HEAD"] }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
