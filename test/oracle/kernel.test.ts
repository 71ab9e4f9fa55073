// The small targets of test/programs, each case natively and under Flicker: signals, threads, processes, identity, exec.
// One test a case and variant, so that each can run alone: `npm test -- 'threads one (dynamic)'`.
import { describe, test } from "node:test";
import { compareRuns } from "./differential.js";
import { targetCases } from "./targets.js";

describe("kernel", { concurrency: 2 }, () => {
  for (const { name, scenario } of targetCases()) test(name, async () => compareRuns(await scenario()));
});
