// `flicker cover`: which basic blocks a program executes, for the tools that show coverage.

import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { type Command, Option } from "commander";
import {
  type CoveredFile,
  KnownFiles,
  type Sums,
  blocksByFunction,
  coveredBlocks,
  coveredFiles,
  mergeImages,
  moduleOf,
  sumsOf,
} from "../host/cover/coverage.js";
import { drcovOf } from "../host/cover/drcov.js";
import { expressionOfGlobs } from "../host/cover/glob.js";
import { type Source, executedLines, lcovOf, sourcesOf } from "../host/cover/lcov.js";
import { type CoveredRun as Run, type ImageFile, type ProcessImage, coverBlocks } from "../host/cover/session.js";
import { packageRoot } from "../host/package-root.js";
import { demangle, loadDemangler } from "../host/symbols.js";
import { alignColumns } from "./columns.js";
import { EXIT_STATUS_HELP } from "./exit-status.js";
import { warn } from "./message.js";
import { passSignals } from "./pass-signals.js";
import { endAs, writeOutput } from "./event-output.js";

const EXAMPLES = `
Examples:
  flicker cover -- ls                       for Lighthouse or Cutter
  flicker cover -o all.drcov -- make test   one file for all processes
  flicker cover --file 'libpng*' -- ./view  of some libraries alone
  flicker cover --per-function -- ./prog    how much of each function
  flicker cover --format lcov -- ./prog     lines of its sources, for genhtml
`;

interface Options {
  readonly format: "drcov" | "lcov" | "json";
  readonly json?: true;
  readonly output?: string;
  readonly merge?: true;
  readonly file?: readonly string[];
  readonly perFunction?: true;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** `drcov.PROG.PID.0000.proc.log`, as DynamoRIO names it; another number where there is such a file. */
function drcovName(folder: string, { program, pid }: ProcessImage): string {
  for (let n = 0; ; n++) {
    const number = String(n).padStart(4, "0");
    const path = join(folder, `drcov.${basename(program)}.${String(pid).padStart(5, "0")}.${number}.proc.log`);
    if (!existsSync(path)) return path;
  }
}

async function drcovOfFiles(files: ReadonlyMap<string, ImageFile>, known: KnownFiles): Promise<Buffer> {
  const modules = [];
  for (const [path, image] of files) {
    const file = await known.of(path);
    if (file !== null) modules.push(moduleOf(path, file, image));
  }
  return drcovOf(modules);
}

/** Writes one file for each process image, or for all of them; gives their names. */
async function writeDrcov(images: readonly ProcessImage[], options: Options, known: KnownFiles): Promise<string[]> {
  const { output, merge } = options;
  const isOne = output !== undefined && !isFolder(output);
  if (images.length === 0 && !isOne) return [];
  const folder = isOne ? "." : (output ?? ".");
  if (isOne || merge) {
    const name = isOne ? output : drcovName(folder, images.at(-1)!);
    writeOutput(name, await drcovOfFiles(mergeImages(images), known));
    return [name];
  }
  const names = [];
  for (const image of images) {
    const name = drcovName(folder, image);
    writeOutput(name, await drcovOfFiles(image.files, known));
    names.push(name);
  }
  return names;
}

const nameOf = (symbol: string | null): string | null => (symbol === null ? null : demangle(symbol));

function jsonOfBlocks({ path, known, image }: CoveredFile): string[] {
  return coveredBlocks(known, image).map(({ start, size, count }) =>
    JSON.stringify({
      ...{ file: path, address: `0x${start.toString(16)}`, size, count },
      function: nameOf(known.symbols.functionAt(BigInt(start))?.symbol ?? null),
    }),
  );
}

function jsonOfFunctions({ path, known, image }: CoveredFile): string[] {
  return [...blocksByFunction(known)].map(([symbol, blocks]) => {
    const { executed, known: all, unseen } = sumsOf(blocks, image);
    return JSON.stringify({ file: path, function: nameOf(symbol), executed, blocks: all, unseen });
  });
}

type Share = Pick<Sums, "executed" | "known">;
const share = ({ executed, known }: Share): string => `${((100 * executed) / Math.max(1, known)).toFixed(1)} %`;
const cells = (sums: Share): string[] => [String(sums.executed), String(sums.known), share(sums)];
const NUMBERS = [0, 1, 2];

/** What a person reads at the end. */
function summaryOf(covered: readonly CoveredFile[], isPerFunction: boolean): string[] {
  if (covered.length === 0) return ["no block was executed"];
  const rows = covered.flatMap(({ path, known, image }) => {
    if (!isPerFunction) return [{ sums: sumsOf(known.blocks, image), names: [path] }];
    return [...blocksByFunction(known)]
      .map(([symbol, blocks]) => ({
        sums: sumsOf(blocks, image),
        names: [basename(path), nameOf(symbol) ?? "(no name)"],
      }))
      .filter(({ sums }) => sums.executed > 0);
  });
  rows.sort((a, b) => b.sums.executed - a.sums.executed);
  const total = covered
    .map(({ known, image }) => sumsOf(known.blocks, image))
    .reduce((a, b) => ({ executed: a.executed + b.executed, known: a.known + b.known, unseen: a.unseen + b.unseen }));
  const head = ["executed", "blocks", "", ...(isPerFunction ? ["file", "function"] : ["file"])];
  const table = rows.map(({ sums, names }) => [...cells(sums), ...names]);
  const count = covered.length === 1 ? "1 file" : `${covered.length} files`;
  return [
    ...alignColumns([head, ...table], NUMBERS),
    `${total.executed} of ${total.known} blocks in ${count} (${share(total)})`,
  ];
}

function summaryOfLines(sources: readonly Source[]): string[] {
  if (sources.length === 0) return ["no file has line information (gcc -g)"];
  const rows = sources.map((source) => ({
    executed: executedLines(source),
    known: source.lines.size,
    path: source.path,
  }));
  rows.sort((a, b) => b.executed - a.executed);
  const total = rows.reduce((a, b) => ({ executed: a.executed + b.executed, known: a.known + b.known, path: "" }));
  const table = rows.map(({ executed, known, path }) => [...cells({ executed, known }), path]);
  const count = sources.length === 1 ? "1 source" : `${sources.length} sources`;
  return [
    ...alignColumns([["executed", "lines", "", "source"], ...table], NUMBERS),
    `${total.executed} of ${total.known} lines in ${count} (${share(total)})`,
  ];
}

/** Files whose blocks are looked for before they are asked about: it takes a second for each 10 MB of code. */
const PROGRESS_EVERY_MS = 200;

function showProgress(): { onProgress: (path: string, part: number) => void; end: () => void } {
  let shownAt = performance.now();
  let isShown = false;
  return {
    onProgress: (path, part) => {
      if (!process.stderr.isTTY || performance.now() - shownAt < PROGRESS_EVERY_MS) return;
      shownAt = performance.now();
      isShown = true;
      process.stderr.write(`\r\x1b[K${basename(path)}: ${(100 * part).toFixed(0)} % of its blocks`);
    },
    end: () => {
      if (isShown) process.stderr.write("\r\x1b[K");
    },
  };
}

/** As lcov's own manual names it. */
const LCOV_NAME = "coverage.info";

function checkOutput({ format, json, output = format === "lcov" ? LCOV_NAME : undefined }: Options): void {
  if (output === undefined) return;
  if (isFolder(output) && format === "drcov" && !json) return;
  // Not after an hour of work.
  writeOutput(output, "");
}

/** Writes what is asked for, and then, where that is not in the way, a summary. */
async function report(
  run: Run,
  options: Options,
  covered: readonly CoveredFile[],
  known: KnownFiles,
): Promise<string[]> {
  const { format, output, perFunction = false } = options;
  if (options.json || format === "json") {
    const lines = covered.flatMap(perFunction ? jsonOfFunctions : jsonOfBlocks);
    const text = lines.map((line) => `${line}\n`).join("");
    if (output === undefined) {
      process.stderr.write(text);
      return [];
    }
    writeOutput(output, text);
    return [...summaryOf(covered, perFunction), `written to ${output}`];
  }
  if (format === "lcov") {
    const sources = sourcesOf(covered);
    const name = output ?? LCOV_NAME;
    writeOutput(name, lcovOf(sources));
    return [...summaryOfLines(sources), `written to ${name}`];
  }
  const written = await writeDrcov(run.images, options, known);
  const names = written.length > 3 ? `${written.length} files` : written.join(", ");
  return [...summaryOf(covered, perFunction), ...(written.length > 0 ? [`written to ${names}`] : [])];
}

async function cover(command: readonly string[], options: Options): Promise<void> {
  checkOutput(options);
  const files = expressionOfGlobs(options.file ?? []);
  const run = await passSignals((onStart) => coverBlocks(packageRoot, command, files, warn, onStart));
  await loadDemangler();
  const { onProgress, end } = showProgress();
  const known = new KnownFiles(packageRoot, onProgress);
  const { files: covered, gone } = await coveredFiles(run.images, known);
  const notes = gone.map((path) => `${path} is gone, and left out`);
  if (run.isIncomplete) notes.push("files without an unwind table are left out");
  if (run.unpatched > 0) notes.push(`${run.unpatched} blocks could not be patched, and may have run unseen`);
  const lines = await report(run, options, covered, known);
  end();
  if (lines.length > 0) process.stderr.write([...lines, ...notes].map((line) => `${line}\n`).join(""));
  endAs(run.outcome);
}

const addTo = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function addCover(program: Command): void {
  program
    .command("cover")
    .usage("[OPTIONS] -- PROG [ARGS...]")
    .description("find out which basic blocks a program executes")
    .addOption(new Option("--format <FORMAT>", "what is written").choices(["drcov", "lcov", "json"]).default("drcov"))
    .option("--json", "one JSON object a line: --format json")
    .option("-o, --output <FILE>", "one file for all processes, or a folder")
    .option("--merge", "one drcov file, not one for each process")
    .option("--file <GLOB>", "only files that match; more than once", addTo)
    .option("--per-function", "sums for functions, not for files")
    .helpOption("-h, --help", "print this help")
    .argument("<PROG>", "a path, or a name that is looked up in PATH")
    .argument("[ARGS...]", "given to the program as they are")
    .passThroughOptions()
    .addHelpText("after", EXAMPLES + EXIT_STATUS_HELP)
    .action((prog: string, args: readonly string[], options: Options) => cover([prog, ...args], options));
}
