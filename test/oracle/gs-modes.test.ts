// Who has gs base is decided at run time: by the processor (FSGSBASE) and by the program (src/engine/thread/gs-base.ts).
// Targets whose threads, signals and clones depend on it are run in each of the other ways, forced by an option. All of them:
// `npx tsx tools/repeat.ts --set kernel --run-option=--yield-gs`.
import { describe, test } from "node:test";
import { compareRuns } from "./differential.js";
import { targetCases } from "./targets.js";

const TARGETS = /^(clones|threads|signal-waits|signal-jumps|small-stacks|registers) .*\((static|musl)\)$/;

for (const option of ["--no-fsgsbase", "--yield-gs"]) {
  describe(`gs with ${option}`, { concurrency: 2 }, () => {
    for (const { name, scenario } of targetCases().filter((target) => TARGETS.test(target.name))) {
      test(`${option} ${name}`, async () => compareRuns({ ...(await scenario()), options: [option] }));
    }
  });
}
