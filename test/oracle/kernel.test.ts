// The small targets of test/programs, each case natively and under Flicker: signals, threads, processes, identity, exec.
// One test a case and variant: `node --import tsx --test --test-name-pattern "threads one .dynamic" test/oracle/kernel.test.ts`.
import { basename } from "node:path";
import { describe, test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { compareRuns } from "./differential.js";
import { findTargets } from "./targets.js";

describe("kernel", { concurrency: 2 }, () => {
  for (const target of findTargets()) {
    for (const variant of target.variants) {
      for (const name of target.cases) {
        test(`${basename(target.source, ".c")} ${name} (${variant})`, async (context) => {
          const program = await buildProgram(target.source, variant);
          await compareRuns({
            name: context.name,
            command: [program, name],
            stdin: "first line\nsecond line\n",
            nativeStatus: null,
          });
        });
      }
    }
  }

  test("hello-bare (bare)", async (context) => {
    await compareRuns({ name: context.name, command: [await buildProgram("hello-bare.S", "bare")] });
  });
  test("hello-bare (bare-pie)", async (context) => {
    await compareRuns({ name: context.name, command: [await buildProgram("hello-bare.S", "bare-pie")] });
  });
  test("hello-go (go)", async (context) => {
    await compareRuns({ name: context.name, command: [await buildProgram("hello-go.go", "go")] });
  });
});
