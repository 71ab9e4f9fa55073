// `flicker doctor`: whether programs can run here, and what is missing. What it looks at: src/host/doctor/checks.ts.

import type { Command } from "commander";
import { CHECKS, examine, type Level, type NamedFinding } from "../host/doctor/checks.js";
import { gatherFacts } from "../host/doctor/facts.js";
import { packageRoot, packageVersion } from "../host/package-root.js";
import { outputColours } from "./colour.js";

const COLUMNS_MIN = 40;
const COLUMNS_DEFAULT = 80;
/** Longer lines are hard to read. */
const COLUMNS_MAX = 100;
const NAME_WIDTH = Math.max(...CHECKS.map(({ name }) => name.length));
/** In front of a row's name: two spaces, the level, two spaces. */
const LEVEL_WIDTH = 11;

const EXAMPLES = `
Examples:
  flicker doctor                                  everything, a row each
  flicker doctor | grep -A3 -E 'note|problem'     what is not as it could be
  flicker doctor --json | jq .runs                for scripts
`;

const LEVELS = `
ok       nothing to do
note     programs run; the lines below say what is missing, what that costs and
         how to get it
problem  programs cannot run

Exit status: 0 when programs can run, 1 when a problem prevents it, 125 when
doctor itself fails. What each message means: docs/troubleshooting.md.`;

/** Cuts a text into lines of at most `width`, at spaces; a word that is longer stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function colour(level: Level): (text: string) => string {
  switch (level) {
    case "ok":
      return outputColours.green;
    case "note":
      return outputColours.yellow;
    case "problem":
      return outputColours.red;
  }
}

function formatFinding({ level, name, found, cost, remedy }: NamedFinding, columns: number): string[] {
  const label = colour(level)(level.padEnd(LEVEL_WIDTH - 4));
  const indent = " ".repeat(LEVEL_WIDTH + NAME_WIDTH + 2);
  const [first = "", ...rest] = wrap(found, columns - indent.length);
  const head = `  ${label}  ${name.padEnd(NAME_WIDTH)}  ${first}`;
  const details = [cost, remedy && `-> ${remedy}`].flatMap((text) => wrap(text ?? "", columns - LEVEL_WIDTH - 2));
  return [
    head,
    ...rest.map((line) => indent + line),
    ...details.filter((line) => line !== "").map((line) => " ".repeat(LEVEL_WIDTH + 2) + line),
  ];
}

function summary(findings: readonly NamedFinding[]): string {
  const count = (level: Level): number => findings.filter((finding) => finding.level === level).length;
  const number = (value: number, word: string): string => `${value} ${word}${value === 1 ? "" : "s"}`;
  const notes = count("note") === 0 ? "" : `, ${number(count("note"), "note")}`;
  if (count("problem") > 0) return `Programs cannot run: ${number(count("problem"), "problem")}${notes}.`;
  return `Programs run${notes}.`;
}

/** The findings for a person, in lines of at most `columns` where words allow it. */
export function formatFindings(findings: readonly NamedFinding[], columns: number): string {
  const lines: string[] = [];
  let topic = "";
  for (const finding of findings) {
    if (finding.topic !== topic) {
      if (topic !== "") lines.push("");
      lines.push(outputColours.bold(finding.topic));
      topic = finding.topic;
    }
    lines.push(...formatFinding(finding, columns));
  }
  return [...lines, "", summary(findings), ""].join("\n");
}

export function addDoctor(program: Command): void {
  program
    .command("doctor")
    .usage("[OPTIONS]")
    .description("check whether programs can run here, and what is missing")
    .option("--json", "print the findings as one JSON object")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES + LEVELS)
    .action(async ({ json }: { json?: true }) => {
      const findings = examine(await gatherFacts(packageRoot));
      const runs = findings.every(({ level }) => level !== "problem");
      const columns = Math.min(Math.max(process.stdout.columns || COLUMNS_DEFAULT, COLUMNS_MIN), COLUMNS_MAX);
      process.stdout.write(
        json
          ? `${JSON.stringify({ version: packageVersion(), runs, findings }, null, 2)}\n`
          : formatFindings(findings, columns),
      );
      if (!runs) process.exitCode = 1;
    });
}
