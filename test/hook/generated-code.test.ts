// Hooks in front of instructions of code that the program makes: each execution is seen once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { counted, runHooked } from "./hooked.js";

const COUNT = 1000;

for (const options of [[], ["--only-traps"], ["--yield-gs"]])
  for (const way of ["published", "both", "looked-at"])
    test(`calls of generated code, ${way}: ${options.join(" ") || "jumps"}`, async () => {
      const program = await buildProgram("generated-calls.c", "static");
      const seen = async (count: number): Promise<number> => {
        const run = await runHooked("count-sites.ts", [program, way, String(count)], {}, options, "call");
        assert.equal(run.stdout, `${count}\n`, run.stderr);
        return counted(run.stderr, "sites");
      };
      // A static program has no table of its functions: the generated call is all that is seen.
      assert.equal(await seen(COUNT), COUNT);
      assert.equal(await seen(0), 0);
    });
