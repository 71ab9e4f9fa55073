// `npm test`: builds what has changed, then runs the tests with Node's own runner.
//
//   npm test                      everything
//   npm test -- NAME...           the test files whose path contains NAME; a NAME that is in no path selects the tests
//                                 whose name contains it
//   npm test -- --no-build ...    tests what was built before
//
// Test files are processes of their own (`node --test`), so that no test sees another's modules. The runner reports
// twice: for a person (spec) on the screen, and as TAP into a file, from which the closing lines come: the numbers, why
// tests were skipped, and whether any test ran at all, since a run that tests nothing must not look like one that passed.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, relative } from "node:path";
import { packageRoot } from "../src/host/package-root.js";

const NAMES_OF_COUNTS = ["tests", "suites", "pass", "fail", "cancelled", "skipped", "todo", "duration_ms"] as const;
type Counts = Record<(typeof NAMES_OF_COUNTS)[number], number>;
/** What Node 20 says of a test that --test-name-pattern leaves out; later versions say nothing. */
const LEFT_OUT = /^test name does not match pattern/;

function fail(line: string): never {
  console.error(`npm test: ${line}`);
  process.exit(1);
}

function testFiles(): string[] {
  return readdirSync(join(packageRoot, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join("test", name))
    .sort();
}

interface Selection {
  readonly files: readonly string[];
  /** Part of the names of the tests to run, or null for all. */
  readonly testName: string | null;
}

/** One selection for all names that are in paths, and one for each other name. */
function select(files: readonly string[], names: readonly string[]): Selection[] {
  if (names.length === 0) return [{ files, testName: null }];
  const byPath = names.filter((name) => files.some((file) => file.includes(name)));
  const selections: Selection[] = names
    .filter((name) => !byPath.includes(name))
    .map((name) => ({ files: filesNaming(files, name), testName: name }));
  if (byPath.length > 0) {
    selections.unshift({ files: files.filter((file) => byPath.some((name) => file.includes(name))), testName: null });
  }
  return selections;
}

/** The files that contain the name as it is, or all: a test's name may be put together at run time. */
function filesNaming(files: readonly string[], name: string): readonly string[] {
  const naming = files.filter((file) => readFileSync(join(packageRoot, file), "utf8").includes(name));
  return naming.length > 0 ? naming : files;
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

interface Report {
  readonly counts: Counts;
  /** How often each reason for skipping a test was given. */
  readonly reasons: ReadonlyMap<string, number>;
  readonly status: number;
}

function runTests({ files, testName }: Selection): Report {
  const folder = mkdtempSync(join(tmpdir(), "flicker-test-"));
  const tap = join(folder, "report.tap");
  try {
    const reporters = ["spec", "stdout", "tap", tap].map((value, index) =>
      index % 2 === 0 ? `--test-reporter=${value}` : `--test-reporter-destination=${value}`,
    );
    const { status, signal, error } = spawnSync(
      process.execPath,
      [
        "--import",
        "tsx",
        "--test",
        `--test-concurrency=${availableParallelism()}`,
        ...reporters,
        ...(testName === null ? [] : [`--test-name-pattern=/${escapePattern(testName)}/`]),
        ...files,
      ],
      { cwd: packageRoot, stdio: "inherit" },
    );
    if (error) throw error;
    if (signal) fail(`the runner was ended by ${signal}`);
    return { ...readTap(readFileSync(tap, "utf8")), status: status ?? 1 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readTap(tap: string): Omit<Report, "status"> {
  const counts = emptyCounts();
  for (const name of NAMES_OF_COUNTS) {
    // At the start of a line: what a test prints is indented or behind another `#`. The last one counts.
    const matches = [...tap.matchAll(new RegExp(`^# ${name} (\\d+(?:\\.\\d+)?)$`, "gm"))];
    counts[name] = Number(matches.at(-1)?.[1] ?? 0);
  }
  const reasons = new Map<string, number>();
  for (const [, reason = ""] of tap.matchAll(/^ *ok \d+ - .* # SKIP ?(.*)$/gm)) {
    if (LEFT_OUT.test(reason)) {
      counts.tests--;
      counts.skipped--;
    } else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return { counts, reasons };
}

function emptyCounts(): Counts {
  return Object.fromEntries(NAMES_OF_COUNTS.map((name) => [name, 0])) as Counts;
}

function sum(reports: readonly Report[]): Counts {
  const total = emptyCounts();
  for (const { counts } of reports) for (const name of NAMES_OF_COUNTS) total[name] += counts[name];
  return total;
}

function printClosingLines(reports: readonly Report[], total: Counts): void {
  const reasons = new Map<string, number>();
  for (const report of reports) {
    for (const [reason, count] of report.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + count);
  }
  console.log();
  for (const [reason, count] of reasons) console.log(`skipped ${count}: ${reason || "no reason given"}`);
  for (const name of NAMES_OF_COUNTS) console.log(`# ${name} ${total[name]}`);
}

const args = process.argv.slice(2);
const names = args.filter((argument) => argument !== "--no-build");
const unknown = names.find((name) => name.startsWith("-"));
if (unknown !== undefined) fail(`unknown option ${unknown}; usage: npm test -- [--no-build] [NAME...]`);

if (!args.includes("--no-build")) {
  const { status } = spawnSync("npm", ["run", "--silent", "build"], { cwd: packageRoot, stdio: "inherit" });
  if (status !== 0) fail("the build failed");
}
// A path as the shell completes it, absolute or from the current folder, names the same file.
const reports = select(
  testFiles(),
  names.map((name) => (name.startsWith(packageRoot) ? relative(packageRoot, name) : name)),
).map(runTests);
const total = sum(reports);
printClosingLines(reports, total);
if (total.tests === 0) fail(`no test matches ${names.join(", ")}`);
process.exitCode = reports.every(({ status }) => status === 0) ? 0 : 1;
