/**
 * What is trained on which task: the members that a paper compares, in its sizes (`full`) and in
 * sizes that a CPU trains in minutes (`small`), each beside the paper's own figure.
 *
 * Rates are ten times the papers' 1e-4 or more, and lengths or pairs rise in stages: the papers
 * train for 25 to 100 times as many steps.
 */
import type { TaskPlan, TaskStage, TaskTest } from "../../training/task_training.ts";

/** Sizes of the plans. */
export const TASK_SIZES = ["small", "full"] as const;
/** One of {@linkcode TASK_SIZES}. */
export type TaskSize = (typeof TASK_SIZES)[number];

/** One row of the table: a member on a task. */
export interface Recipe {
  readonly task: string;
  /** The member as the table names it. */
  readonly member: string;
  /** What the paper found, and where. */
  readonly paper: string;
  readonly plans: { readonly [size in TaskSize]?: TaskPlan };
}

type Numbers = Readonly<Record<string, number>>;

/** Rate of a time-invariant system's A and dt beside that of the rest, as in the S4 repository. */
const SLOW_SYSTEM = 0.3;

/** `count` layers of one member; `config` overrides its defaults. */
function layersOf(name: string, count: number, config: object = {}) {
  return Array.from({ length: count }, () => ({ name, config }));
}

/** Two layers of one member, as the papers' synthetic tasks have them. */
function twoOf(name: string, width: number, config: object = {}) {
  return { width, layers: layersOf(name, 2, config) };
}

/** A stage that ends where its accuracy is reached. */
function stage(setting: Numbers, batch: number, steps: number, until?: number): TaskStage {
  return { setting, batch, steps, ...(until !== undefined && { until }) };
}

function test(setting: Numbers, batch: number, batches: number): TaskTest {
  return { setting, batch, batches };
}

/** A stage that ends where its accuracy is reached, at a rate of its own. */
function slower(rate: number, setting: Numbers, batch: number, steps: number, until?: number) {
  return { ...stage(setting, batch, steps, until), rate };
}

/** Selective copying: the data are learned at a short length, the length rises afterwards. */
function copying(member: string, systemRate: number): Recipe["plans"] {
  return {
    full: {
      model: twoOf(member, 64),
      rate: 4e-3,
      systemRate,
      stages: [
        stage({ length: 64 }, 256, 3000, 0.985),
        slower(1.5e-3, { length: 64 }, 256, 1200, 0.99),
        slower(1e-3, { length: 256 }, 64, 400, 0.985),
        slower(1e-3, { length: 1024 }, 64, 400, 0.99),
        slower(1e-3, { length: 4096 }, 64, 300),
      ],
      tests: [test({ length: 4096 }, 64, 8)],
    },
    small: {
      model: twoOf(member, 32),
      rate: 3e-3,
      systemRate,
      stages: [
        stage({ length: 32, data: 4 }, 32, 800, 0.97),
        stage({ length: 128, data: 4 }, 16, 150),
      ],
      tests: [test({ length: 128, data: 4 }, 32, 8)],
    },
  };
}

/** Lengths of the induction test: the training's, one below, and far beyond. */
const FAR: readonly TaskTest[] = [
  test({ length: 256 }, 64, 16),
  test({ length: 64 }, 64, 16),
  test({ length: 1024 }, 64, 8),
  test({ length: 4096 }, 64, 8),
  test({ length: 2 ** 14 }, 64, 8),
  test({ length: 2 ** 16 }, 64, 4),
  test({ length: 2 ** 17 }, 64, 2),
  test({ length: 2 ** 20 }, 32, 1),
];

/**
 * First step sizes of a memory that is to last over a million samples: with the usual 0.001 to 0.1
 * what was read fades or drowns beyond a few thousand, though nothing is wrong at 256.
 */
const LASTING = { dtMin: 1e-10, dtMax: 1e-6 };

/**
 * Induction heads: trained up to length 256, tested at the lengths given. Without weight decay,
 * which would pull the gates back that must stay shut over a million samples.
 */
function induction(
  member: string,
  tests: readonly TaskTest[],
  config: Numbers = {},
): Recipe["plans"] {
  return {
    full: {
      model: twoOf(member, 64, config),
      rate: 5e-3,
      decay: 0,
      stages: [
        stage({ length: 16 }, 64, 1000, 0.99),
        stage({ length: 64 }, 64, 1000, 0.99),
        slower(3e-3, { length: 256 }, 64, 2500),
      ],
      tests,
    },
    small: {
      model: twoOf(member, 32, config),
      rate: 3e-3,
      decay: 0,
      stages: [stage({ length: 16 }, 32, 300, 0.99), stage({ length: 64 }, 16, 150)],
      tests: [test({ length: 64 }, 32, 4), test({ length: 256 }, 32, 2)],
    },
  };
}

/** Recall: few pairs first, then as many as the papers' length/4. */
function recall(member: string, config: Numbers = {}): Recipe["plans"] {
  const at = (length: number, pairs: number) => ({ length, pairs, vocabulary: 512 });
  const small = (length: number, pairs: number) => ({ length, pairs, vocabulary: 64 });
  return {
    full: {
      model: twoOf(member, 64, config),
      rate: 4e-3,
      stages: [
        stage(at(32, 4), 256, 2000, 0.95),
        stage(at(64, 16), 128, 2000, 0.95),
        stage(at(128, 32), 64, 1500, 0.95),
        stage(at(256, 64), 64, 1000),
      ],
      tests: [test(at(256, 64), 64, 8), test(at(256, 32), 64, 8), test(at(256, 16), 64, 8)],
    },
    small: {
      model: twoOf(member, 32, config),
      rate: 4e-3,
      stages: [stage(small(16, 2), 32, 400, 0.95), stage(small(48, 12), 16, 400)],
      tests: [test(small(48, 12), 32, 8)],
    },
  };
}

/** Delay: one time-invariant system a feature, nothing else; only its start differs. */
function delayBy(start: string): Recipe["plans"] {
  const model = (width: number, state: number) => ({
    width,
    norm: "none",
    layers: layersOf("s4d", 1, { state, start, activation: "identity", mix: false }),
  });
  return {
    full: {
      model: model(64, 64),
      rate: 3e-3,
      stages: [stage({}, 32, 1500)],
      tests: [test({}, 32, 8)],
    },
    small: {
      model: model(8, 32),
      rate: 1e-2,
      stages: [stage({ length: 256, lag: 32 }, 8, 300)],
      tests: [test({ length: 256, lag: 32 }, 16, 4)],
    },
  };
}

/** Classification of whole signals, sample by sample. */
function waves(member: string): Recipe["plans"] {
  return {
    full: {
      model: { width: 64, layers: layersOf(member, 3), dropout: 0.1 },
      rate: 2e-3,
      stages: [stage({}, 64, 900)],
      tests: [test({}, 128, 16)],
    },
    small: {
      model: twoOf(member, 32),
      rate: 5e-3,
      stages: [stage({ length: 256, noise: 10 }, 16, 500)],
      tests: [test({ length: 256, noise: 10 }, 64, 8)],
    },
  };
}

/** Speech digits: the voice or the takes that are held out are told by `heldOut`. */
function digits(member: string, heldOut: number): Recipe["plans"] {
  return {
    full: {
      model: { width: 64, layers: layersOf(member, 4), dropout: 0.1 },
      rate: 2e-3,
      decay: 0.05,
      systemRate: SLOW_SYSTEM,
      stages: [stage({ heldOut }, 32, 400)],
      tests: [test({ heldOut }, 40, 3)],
    },
    small: {
      model: twoOf(member, 32),
      rate: 1e-2,
      stages: [stage({ heldOut, length: 4000 }, 8, 500)],
      tests: [test({ heldOut, length: 4000 }, 40, 3)],
    },
  };
}

/** Where Mamba-2, Mamba and attention are compared on recall. */
const RECALL = "arXiv 2405.21060, section 9.1";

/** Every row, in the order of the table. */
export const RECIPES: readonly Recipe[] = [
  {
    task: "selective-copying",
    member: "s4d",
    paper: "S4 without gate 18.3 % (arXiv 2312.00752, table 1)",
    plans: copying("s4d", SLOW_SYSTEM),
  },
  {
    task: "selective-copying",
    member: "mamba",
    paper: "Mamba 99.8 % (arXiv 2312.00752, table 1)",
    plans: copying("mamba", 1),
  },
  {
    task: "induction-heads",
    member: "mamba",
    paper: "Mamba 100 % up to 2^20 (arXiv 2312.00752, section 4.1.2)",
    plans: induction("mamba", FAR, LASTING),
  },
  {
    task: "induction-heads",
    member: "attention",
    paper: "no other model holds beyond twice its length (arXiv 2312.00752, section 4.1.2)",
    plans: induction("attention", FAR.slice(0, 3)),
  },
  {
    task: "associative-recall",
    member: "mamba, state 16",
    paper: `below Mamba-2 and attention (${RECALL})`,
    plans: recall("mamba"),
  },
  {
    task: "associative-recall",
    member: "mamba2, state 16",
    paper: `above Mamba at the same state (${RECALL})`,
    plans: recall("mamba2", { state: 16 }),
  },
  {
    task: "associative-recall",
    member: "mamba2, state 64",
    paper: `the more state the better (${RECALL})`,
    plans: recall("mamba2", { state: 64 }),
  },
  {
    task: "associative-recall",
    member: "mamba2, state 128",
    paper: `the more state the better (${RECALL})`,
    plans: recall("mamba2", { state: 128 }),
  },
  {
    task: "associative-recall",
    member: "attention",
    paper: `solves it (${RECALL})`,
    plans: recall("attention"),
  },
  {
    task: "delay",
    member: "s4d, start real",
    paper: "a start without HiPPO does not learn it (arXiv 2206.12037, section 4.1)",
    plans: delayBy("real"),
  },
  {
    task: "delay",
    member: "s4d, start lin",
    paper: "a HiPPO start learns it (arXiv 2206.12037, section 4.1)",
    plans: delayBy("lin"),
  },
  {
    task: "waves",
    member: "s4d",
    paper: "no figure: the waves are this project's own",
    plans: waves("s4d"),
  },
  {
    task: "waves",
    member: "mamba",
    paper: "no figure: the waves are this project's own",
    plans: waves("mamba"),
  },
  {
    task: "speech-digits",
    member: "s4d, other voice",
    paper: "no figure for this split",
    plans: digits("s4d", 1),
  },
  {
    task: "speech-digits",
    member: "s4d, other takes",
    paper: "no figure for this split",
    plans: digits("s4d", 3),
  },
];

/** The rows of these tasks and members; an empty list means all. */
export function recipesOf(tasks: readonly string[], members: readonly string[]): Recipe[] {
  return RECIPES.filter(({ task, member }) =>
    (tasks.length === 0 || tasks.includes(task)) &&
    (members.length === 0 || members.includes(member))
  );
}
