// Real programs, natively and under Flicker alike. The scenarios themselves are in scenarios.ts.
// One test a scenario: `node --import tsx --test --test-name-pattern "^git" test/oracle/programs.test.ts`.
import { describe, test } from "node:test";
import { compareRuns } from "./differential.js";
import { scenarios } from "./scenarios.js";

describe("programs", { concurrency: 2 }, () => {
  for (const scenario of scenarios) test(scenario.name, () => compareRuns(scenario));
});
