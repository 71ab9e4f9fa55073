// Reads src/engine/kernel/syscalls.txt and prctl-options.txt and writes what follows from them: the engine's numbers, its
// dispatch and its list of calls that move data, and docs/syscalls.md.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "prettier";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const kernelFolder = join(root, "src/engine/kernel");
const SYSCALLS = join(kernelFolder, "syscalls.txt");
const OPTIONS = join(kernelFolder, "prctl-options.txt");
export const NUMBERS = join(kernelFolder, "numbers.ts");
export const DISPATCH = join(kernelFolder, "dispatch.ts");
export const DATA_CALLS = join(root, "src/engine/jit/data-calls.ts");
export const DOCUMENT = join(root, "docs/syscalls.md");

/** A row of either table. */
interface Row {
  number: number;
  name: string;
  /** `passes`, `data`, `gone` or FILE.FUNCTION of src/engine/kernel. */
  fate: string;
  /** Empty: the family's. */
  why: string;
}

export interface SystemCall extends Row {
  family: string;
  /** With `<`, `>`, `=` or `>>` in front of pointers: see syscalls.txt. */
  parameters: string[];
}

export interface Option extends Row {
  /** The system call that takes it. */
  call: string;
}

const FATE = /^(passes|data|gone|[a-z][a-z-]*\.[a-z][A-Za-z0-9]*)$/;
const PARAMETER = /^(<|>|=|>>)?[a-z_][a-z0-9_]*$/;

export const isVirtualised = (row: Row): boolean => row.fate.includes(".");

/** Calls `add` for each line that is not a comment, with its words; indented lines are the reason of the row above. */
function readRows(file: string, add: (words: string[], fail: (what: string) => never) => Row | null): void {
  let last: Row | null = null;
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    const fail = (what: string): never => {
      throw new Error(`${file}:${index + 1}: ${what}: ${line.trim()}`);
    };
    if (line === "" || line.startsWith("#")) continue;
    if (!line.startsWith(" ")) {
      last = add(line.split(/\s+/), fail);
      continue;
    }
    if (last === null) return fail("a reason without a row");
    last.why = last.why === "" ? line.trim() : `${last.why} ${line.trim()}`;
  }
}

function readFate(fate: string | undefined, fail: (what: string) => never): string {
  return fate !== undefined && FATE.test(fate) ? fate : fail("no fate");
}

function readNumber(word: string | undefined, above: number, fail: (what: string) => never): number {
  const number = Number(word);
  return Number.isInteger(number) && number > above ? number : fail("numbers ascend");
}

/** @returns the families' reasons and the calls, by number */
export function parseSyscalls(): { families: Map<string, string>; calls: SystemCall[] } {
  const families = new Map<string, string>();
  const calls: SystemCall[] = [];
  readRows(SYSCALLS, (words, fail) => {
    if (words[0] === "family") {
      families.set(words[1] ?? fail("no name"), words.slice(2).join(" "));
      return null;
    }
    const [number, name = fail("no name"), family = fail("no family"), fate, ...parameters] = words;
    if (!families.has(family)) fail("no such family");
    if (!parameters.every((parameter) => PARAMETER.test(parameter))) fail("not a parameter");
    const call = {
      number: readNumber(number, calls.at(-1)?.number ?? -1, fail),
      name,
      family,
      fate: readFate(fate, fail),
      parameters,
      why: "",
    };
    calls.push(call);
    return call;
  });
  return { families, calls };
}

/** @returns the options of prctl and arch_prctl, by call and number */
export function parseOptions(): Option[] {
  const options: Option[] = [];
  let call = "";
  readRows(OPTIONS, (words, fail) => {
    if (words[0] === "call") {
      call = words[1] ?? fail("no name");
      return null;
    }
    const above = options.at(-1);
    const option = {
      call,
      number: readNumber(words[0], above?.call === call ? above.number : -1, fail),
      name: words[1] ?? fail("no name"),
      fate: readFate(words[2], fail),
      why: "",
    };
    options.push(option);
    return option;
  });
  return options;
}

/** Groups in the order of their first members. */
function groupBy<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}

const constant = (call: SystemCall): string => `SYS_${call.name.toUpperCase()}`;
const typescript = (lines: string[]): Promise<string> =>
  format(lines.join("\n"), { parser: "typescript", printWidth: 120 });

/** src/engine/kernel/numbers.ts */
export function generateNumbers(): Promise<string> {
  const { calls } = parseSyscalls();
  return typescript([
    "// Generated from kernel/syscalls.txt by tools/gen-syscalls.ts. Do not edit.",
    "",
    "// System call numbers of AMD64.",
    "",
    ...calls.map((call) => `export const ${constant(call)}: u32 = ${call.number};`),
  ]);
}

/** src/engine/kernel/dispatch.ts */
export function generateDispatch(): Promise<string> {
  const calls = parseSyscalls().calls.filter(isVirtualised);
  const byHandler = groupBy(calls, (call) => call.fate);
  const byFile = groupBy(byHandler.keys(), (fate) => fate.slice(0, fate.indexOf(".")));
  const functionOf = (fate: string): string => fate.slice(fate.indexOf(".") + 1);
  const fates = [...byHandler.keys()];
  const end = (calls.at(-1)?.number ?? -1) + 1;
  const handlerOf = new Map(calls.map(({ number, fate }) => [number, fates.indexOf(fate) + 1]));
  return typescript([
    "// Generated from kernel/syscalls.txt by tools/gen-syscalls.ts. Do not edit.",
    "",
    "// What handles each system call that reaches the gate.",
    "",
    'import { GateFrame, ThreadBlock } from "../thread/block";',
    'import { passToKernel } from "./call";',
    ...[...byFile].map(([file, fates]) => `import { ${fates.map(functionOf).sort().join(", ")} } from "./${file}";`),
    "",
    "/** One past the last number that has a handler. */",
    `export const VIRTUALISED_END: u32 = ${end};`,
    "",
    "/** By number: 0 for a call that is the kernel's, else the case of `dispatch`. */",
    "const handlers: StaticArray<u8> = [",
    `${Array.from({ length: end }, (_, number) => handlerOf.get(number) ?? 0).join(", ")},`,
    "];",
    "",
    "/** Whether the engine handles the call with this number: dispatch-table.ts sends it to the gate. */",
    "export function isVirtualised(number: u32): bool {",
    "return number < VIRTUALISED_END && unchecked(handlers[number]) != 0;",
    "}",
    "",
    "/** What becomes of a call that is virtualised: a value of kernel/call.ts. */",
    "export function dispatch(thread: ThreadBlock, frame: GateFrame): u32 {",
    "switch (unchecked(handlers[frame.rax as u32])) {",
    ...fates.flatMap((fate, index) => [`case ${index + 1}:`, `return ${functionOf(fate)}(thread, frame);`]),
    "default: return passToKernel(frame);",
    "}",
    "}",
  ]);
}

/** src/engine/jit/data-calls.ts */
export function generateDataCalls(): Promise<string> {
  const calls = parseSyscalls().calls.filter(({ fate }) => fate === "data");
  return typescript([
    "// Generated from kernel/syscalls.txt by tools/gen-syscalls.ts. Do not edit.",
    "",
    `import { ${calls.map(constant).join(", ")} } from "../kernel/numbers";`,
    "",
    "/** Calls that read or write data through a pointer, or a file that may have views. */",
    `export const DATA_CALLS: StaticArray<u32> = [${calls.map(constant).join(", ")}];`,
  ]);
}

const fateText = (row: Row): string => {
  if (isVirtualised(row)) return `[virtualised](../src/engine/kernel/${row.fate.slice(0, row.fate.indexOf("."))}.ts)`;
  return row.fate === "data" ? "[data](../src/engine/jit/kernel-access.ts)" : "passes";
};

/** Markdown: `|` ends a cell, and names may hold `_` and `*`. */
const cell = (text: string): string => text.replaceAll("|", "\\|");

/** docs/syscalls.md */
export function generateDocument(): Promise<string> {
  const { families, calls } = parseSyscalls();
  const options = parseOptions();
  const why = (call: SystemCall): string => {
    if (call.fate === "gone") return "ENOSYS: the kernel has no such call any more";
    return call.why !== "" ? call.why : (families.get(call.family) ?? "");
  };
  const count = (fate: (call: SystemCall) => boolean): number => calls.filter(fate).length;
  const tableOf = (call: string): string[] => [
    `## Options of ${call}`,
    "",
    "| number | option | fate | why |",
    "| --- | --- | --- | --- |",
    ...options
      .filter((option) => option.call === call)
      .map((option) => {
        const number = option.number < 0x1000 ? String(option.number) : `0x${option.number.toString(16)}`;
        return `| ${number} | \`${option.name}\` | ${fateText(option)} | ${cell(option.why)} |`;
      }),
    "",
  ];
  const text = [
    "<!-- Generated from src/engine/kernel/syscalls.txt and prctl-options.txt by tools/gen-syscalls.ts. Do not edit. -->",
    "",
    "# System calls",
    "",
    `What Flicker does with each of the ${calls.length} system calls of AMD64 Linux, up to Linux 7.0:`,
    `${count((call) => call.fate === "passes" || call.fate === "data")} pass to the kernel through nothing but jumps`,
    `(${count((call) => call.fate === "data")} of them, whose fate is _data_, through the gate in programs that make code: they may read or write its pages),`,
    `${count(isVirtualised)} are virtualised, and ${count((call) => call.fate === "gone")} the kernel has no more.`,
    "None is refused: a number that is not in the table passes too. Calls of the 32-bit table (`int 0x80`) and of x32 go to the",
    "kernel as they are.",
    "",
    "In front of an argument, `<` says that the kernel reads through it, `>` that it writes, `=` both, and `>>` that it also writes",
    "through pointers that it finds there.",
    "",
    "| number | call | arguments | fate | why |",
    "| --- | --- | --- | --- | --- |",
    ...calls.map((call) => {
      const parameters = call.parameters.length === 0 ? "" : `\`${call.parameters.join(", ")}\``;
      return `| ${call.number} | \`${call.name}\` | ${parameters} | ${fateText(call)} | ${cell(why(call))} |`;
    }),
    "",
    ...tableOf("prctl"),
    ...tableOf("arch_prctl"),
  ].join("\n");
  return format(text, { parser: "markdown", printWidth: 128, proseWrap: "always" });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(NUMBERS, await generateNumbers());
  writeFileSync(DISPATCH, await generateDispatch());
  writeFileSync(DATA_CALLS, await generateDataCalls());
  writeFileSync(DOCUMENT, await generateDocument());
}
