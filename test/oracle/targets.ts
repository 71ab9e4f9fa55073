// Finds the targets of test/programs and their cases in the sources themselves: `CASE(name)` makes a case, the comment
// `variants: dynamic static ...` says how the target is linked. Adding a case to a target needs no code here.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { programsDirectory, type Variant, variants } from "../support/build-program.js";

export interface Target {
  source: string;
  variants: Variant[];
  cases: string[];
}

export function findTargets(): Target[] {
  return readdirSync(programsDirectory)
    .filter((name) => name.endsWith(".c"))
    .sort()
    .map((source) => {
      const text = readFileSync(join(programsDirectory, source), "utf8");
      const cases = [...text.matchAll(/^CASE\((\w+)\)/gm)].map((match) => match[1]!);
      const names = text.match(/^\/\/ variants: (.*)$/m)?.[1]?.split(" ") ?? [];
      for (const name of names) if (!(name in variants)) throw new Error(`${source}: no variant ${name}`);
      return { source, variants: names as Variant[], cases };
    })
    .filter((target) => target.cases.length > 0);
}
