// Finds the targets of test/programs and their cases in the sources themselves: `CASE(name)` makes a case, the comment
// `variants: dynamic static ...` says how the target is linked (`#` in assembly), each comment `options: --a --b` is one way of
// running it. Adding a case to a target needs no code here.
import { readdirSync, readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { buildProgram, programsDirectory, type Variant, variants } from "../support/build-program.js";
import type { Scenario } from "./differential.js";

/** A scenario that is prepared only when it runs: its program must be built first. */
export interface TargetCase {
  name: string;
  scenario: () => Promise<Scenario>;
}

export function targetCases(): TargetCase[] {
  return readdirSync(programsDirectory).sort().flatMap(casesOf);
}

function casesOf(source: string): TargetCase[] {
  if (!/\.(c|S|go)$/.test(source)) return [];
  const text = readFileSync(join(programsDirectory, source), "utf8");
  const declared = text.match(/^(?:\/\/|#) variants: (.*)$/m)?.[1]?.split(" ") ?? [];
  // One case may stand in several branches of an #if.
  const cases = [...new Set([...text.matchAll(/^CASE\((\w+)\)/gm)].map((match) => match[1]!))];
  // A target without cases is one test as a whole.
  const runs = cases.length > 0 ? cases : [null];
  const ways = [...text.matchAll(/^(?:\/\/|#) options:(.*)$/gm)].map((match) => match[1]!.split(" ").filter(Boolean));
  return declared.flatMap((variant) => {
    if (!isVariant(variant)) throw new Error(`${source}: no variant ${variant}`);
    return (ways.length > 0 ? ways : [[]]).flatMap((options) =>
      runs.map((run) => targetCase(source, variant, run, options)),
    );
  });
}

function targetCase(source: string, variant: Variant, run: string | null, options: readonly string[]): TargetCase {
  const target = basename(source, extname(source));
  const name = [target, run, `(${[variant, ...options].join(" ")})`].filter((part) => part !== null).join(" ");
  const scenario = async (): Promise<Scenario> => {
    const program = await buildProgram(source, variant);
    return {
      name,
      command: run === null ? [program] : [program, run],
      options,
      stdin: "first line\nsecond line\n",
      processes: { [target]: 1 },
      nativeStatus: null,
    };
  };
  return { name, scenario };
}

function isVariant(name: string): name is Variant {
  return name in variants;
}
