// Engines that make code at run time, natively and under Flicker alike: engines.ts.
import { describe, test } from "node:test";
import { compareRuns } from "./differential.js";
import { engineScenarios } from "./engines.js";

describe("engines", { concurrency: 2 }, () => {
  for (const scenario of engineScenarios) test(scenario.name, () => compareRuns(scenario));
});
