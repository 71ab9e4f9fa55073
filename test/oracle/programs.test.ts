// Real programs, natively and under Flicker alike. The scenarios themselves are in scenarios.ts.
// One test a scenario, so that each can run alone: `npm test -- 'nginx and curl'`. Those that take minutes: `npm run test:long`.
import { describe, test } from "node:test";
import { compareRuns } from "./differential.js";
import { scenarios } from "./scenarios.js";

describe("programs", { concurrency: 2 }, () => {
  for (const scenario of scenarios) {
    if (!scenario.long || process.env["FLICKER_TEST_LONG"]) test(scenario.name, () => compareRuns(scenario));
  }
});
