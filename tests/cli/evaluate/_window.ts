import type { EvaluationWindow } from "../../../src/cli/evaluate/windows.ts";

/** Windows of a noisy daily wave in two tasks. */
export function waveWindows(count: number): EvaluationWindow[] {
  return Array.from({ length: count }, (_, k) => {
    const value = (i: number) => 10 + k + 5 * Math.sin(Math.PI * i / 12) + Math.sin(i * i + k);
    return {
      id: `w${k}`,
      task: k % 2 === 0 ? "even" : "odd",
      freq: "H",
      m: 24,
      h: 8,
      context: Array.from({ length: 120 }, (_, i) => value(i)),
      target: Array.from({ length: 8 }, (_, i) => value(120 + i)),
    };
  });
}
