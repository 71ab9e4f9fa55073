// Real programs, natively and under Flicker alike. The scenarios themselves are in scenarios.ts.
// One test a scenario, so that each can run alone: `npm test -- 'nginx and curl'`.
import { describe, test } from "node:test";
import { compareRuns } from "./differential.js";
import { scenarios } from "./scenarios.js";

describe("programs", { concurrency: 2 }, () => {
  for (const scenario of scenarios) test(scenario.name, () => compareRuns(scenario));
});
