// Reads src/kernel-interface/*.txt and writes what follows from them: signatures.ts and structs.ts, and constants.ts with
// the value that the headers of the kernel and of libc give each name. gcc is the judge of values: a name is whatever
// expression a header makes of it. For the engine: where calls have paths (src/engine/kernel/path-arguments.ts).

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseOptions, parseSyscalls } from "./gen-syscalls.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = join(root, "src/kernel-interface");
const SOURCE = join(folder, "constants.txt");
export const CONSTANTS = join(folder, "constants.ts");
export const SIGNATURES = join(folder, "signatures.ts");
export const PATH_ARGUMENTS = join(root, "src/engine/kernel/path-arguments.ts");
export const STRUCTS = join(folder, "structs.ts");

interface Set {
  kind: string;
  name: string;
  /** What is said of a value without a name. */
  unknown: string;
  /** As in constants.txt: NAME, NAME=VALUE, match:REGEX or options:CALL. */
  words: string[];
}

interface Group {
  headers: string[];
  sets: Set[];
}

function parseGroups(): Group[] {
  const groups: Group[] = [];
  for (const [index, line] of readFileSync(SOURCE, "utf8").split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const words = line.trim().split(/\s+/);
    const sets = groups.at(-1)?.sets;
    if (words[0] === "headers") groups.push({ headers: words.slice(1), sets: [] });
    else if (line.startsWith(" ") && sets?.length) sets.at(-1).words.push(...words);
    else if (/^(enum|flags|flags64)$/.test(words[0]!) && words.length === 3 && sets)
      sets.push({ kind: words[0]!, name: words[1]!, unknown: words[2]!, words: [] });
    else throw new Error(`${SOURCE}:${index + 1}: not a set: ${line}`);
  }
  return groups;
}

const includes = (headers: readonly string[]): string[] => [
  "#define _GNU_SOURCE",
  "#include <stddef.h>",
  "#include <string.h>",
  ...headers.map((header) => `#include <${header}>`),
];

/** The macros without parameters that the headers define, each as `NAME=BODY` without blanks. */
function macrosOf(headers: readonly string[]): string[] {
  const text = execFileSync("gcc", ["-E", "-dM", "-x", "c", "-"], {
    input: includes(headers).join("\n"),
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return [...text.matchAll(/^#define (\w+) (.+)$/gm)].map((match) => `${match[1]!}=${match[2]!.replaceAll(" ", "")}`);
}

/** What the names are; those that are no constant are left out. With `messages`, also what libc says of the value as an errno. */
function valuesOf(
  headers: readonly string[],
  names: readonly string[],
): Map<string, { value: bigint; message: string }> {
  const directory = mkdtempSync(join(tmpdir(), "flicker-constants-"));
  try {
    const program = join(directory, "values");
    const head = [...includes(headers), "#include <stdio.h>", "int main(void) {"];
    const compile = (known: readonly string[]): string => {
      const lines = known.map(
        (name) =>
          `{ enum { constant = (${name}) != 0 }; printf("${name} %lld %s\\n", (long long)(${name}), strerror((int)(long)(${name}))); }`,
      );
      const { stderr } = spawnSync("gcc", ["-w", "-fmax-errors=0", "-o", program, "-x", "c", "-"], {
        input: [...head, ...lines, "}"].join("\n"),
        encoding: "utf8",
        maxBuffer: 1 << 26,
      });
      return stderr;
    };
    const bad = new Set<number>(
      [...compile(names).matchAll(/^<stdin>:(\d+):\d+: error/gm)].map((match) => Number(match[1])),
    );
    const known = names.filter((_, index) => !bad.has(index + head.length + 1));
    if (bad.size > 0) {
      const errors = compile(known);
      if (errors !== "") throw new Error(`${headers.join(" ")}: ${errors}`);
    }
    const output = execFileSync(program, { encoding: "utf8", env: { LC_ALL: "C" } });
    return new Map(
      [...output.matchAll(/^(\w+) (-?\d+) (.*)$/gm)].map((match) => [
        match[1]!,
        { value: BigInt(match[2]!), message: match[3]! },
      ]),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const numberText = (value: bigint, kind: string): string =>
  kind === "enum" ? String(value) : `0x${BigInt.asUintN(kind === "flags" ? 32 : 64, value).toString(16)}`;

/** src/kernel-interface/constants.ts */
export function generateConstants(): string {
  const rows: string[] = [];
  const messages: string[] = [];
  const missing: string[] = [];
  for (const { headers, sets } of parseGroups()) {
    const macros = sets.some((set) => set.words[0]!.startsWith("match:")) ? macrosOf(headers) : [];
    const matching = (word: string): string[] => {
      const pattern = new RegExp(word.slice("match:".length));
      return macros
        .filter((macro) => pattern.test(macro))
        .map((macro) => macro.split("=")[0]!)
        .sort();
    };
    const namesOf = (word: string): string[] =>
      word.startsWith("match:") ? matching(word) : word.startsWith("options:") ? [] : [word.split("=")[0]!];
    const values = valuesOf(headers, [...new Set(sets.flatMap((set) => set.words.flatMap(namesOf)))]);
    for (const set of sets) {
      const entries: [string, bigint][] = [];
      for (const word of set.words) {
        const [, name, isOverridden, given] = /^([^=]+)=?(=?)(.*)$/.exec(word)! as unknown as [
          string,
          string,
          string,
          string,
        ];
        if (word.startsWith("match:")) {
          const found = matching(word).flatMap((macro): [string, bigint][] => {
            const known = values.get(macro);
            return known ? [[macro, known.value]] : [];
          });
          entries.push(...found.sort((a, b) => (a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0)));
          if (set.name === "errno") messages.push(...found.map(([macro]) => `${macro} ${values.get(macro)!.message}`));
        } else if (word.startsWith("options:")) {
          for (const option of parseOptions().filter((row) => row.call === word.slice("options:".length)))
            entries.push([option.name, BigInt(option.number)]);
        } else {
          const defined = isOverridden === "" ? values.get(name)?.value : undefined;
          const known = defined ?? (given === "" ? undefined : BigInt(given));
          if (known === undefined) missing.push(name);
          else if (given !== "" && BigInt.asUintN(64, known) !== BigInt.asUintN(64, BigInt(given)))
            throw new Error(`${name} is ${known} in the headers and ${given} in ${SOURCE}`);
          else entries.push([name, known]);
        }
      }
      rows.push(
        `${set.kind} ${set.name} ${set.unknown} ${entries.map(([name, value]) => `${name}=${numberText(value, set.kind)}`).join(" ")}`,
      );
    }
  }
  if (missing.length > 0) throw new Error(`not in the headers: ${missing.join(" ")}`);
  return [
    "// Generated from constants.txt and the kernel's headers by tools/gen-kernel-interface.ts. Do not edit.",
    "",
    "/** A set a line: its kind, its name, what is said of other values, and its names with their values. */",
    `export const constantRows = \`\n${rows.join("\n")}\n\`;`,
    "",
    "/** What libc says of each errno. */",
    `export const errnoMessages = \`\n${messages.join("\n")}\n\`;`,
    "",
  ].join("\n");
}

/** Lines of a table that are neither empty nor comments. */
const rowsOf = (file: string): string[] =>
  readFileSync(join(folder, file), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

const generated = (source: string, what: string, name: string, rows: readonly string[]): string =>
  [
    `// Generated from ${source} by tools/gen-kernel-interface.ts. Do not edit.`,
    "",
    `/** ${what} */`,
    `export const ${name} = \`\n${rows.join("\n")}\n\`;`,
    "",
  ].join("\n");

/** src/kernel-interface/signatures.ts */
export function generateSignatures(): string {
  const rows = new Map<string, string[]>();
  for (const line of rowsOf("signatures.txt")) {
    const [name, ...words] = line.split(/\s+/);
    if (rows.has(name!)) throw new Error(`two rows for ${name}`);
    rows.set(name!, words);
  }
  const { calls } = parseSyscalls();
  const joined = calls.map((call) => {
    const [classes, ...words] = rows.get(call.name) ?? [];
    if (classes === undefined) throw new Error(`signatures.txt has no ${call.name}`);
    const arrow = words.indexOf("->");
    const types = arrow < 0 ? words : words.slice(0, arrow);
    if (types.length !== call.parameters.length)
      throw new Error(`${call.name} has ${call.parameters.length} arguments and ${types.length} types`);
    const parameters = call.parameters.map((parameter, index) => `${parameter}:${types[index]!}`);
    return [call.number, call.name, classes, arrow < 0 ? "int" : words[arrow + 1], ...parameters].join(" ");
  });
  if (rows.size !== calls.length) throw new Error("signatures.txt has a call that syscalls.txt has not");
  return generated(
    "signatures.txt and src/engine/kernel/syscalls.txt",
    "A call a line: its number, name, classes, result, and its arguments.",
    "signatureRows",
    joined,
  );
}

/** src/kernel-interface/structs.ts */
export function generateStructs(): string {
  const rows: string[] = [];
  for (const line of rowsOf("structs.txt")) {
    if (!line.startsWith(" ")) rows.push(`${line}|`);
    else rows.push(`${rows.pop()!} ${line.trim().replace(/\s+/g, " ")}`);
  }
  return generated(
    "structs.txt",
    "A struct a line: its name, size, C type, and its fields.",
    "structRows",
    rows.map((row) => row.replace("| ", "|")),
  );
}

/** A flag that says whether a link at the end of a path is followed. */
const ABOUT_LINKS = /(SYMLINK_(NO)?FOLLOW|DONT_FOLLOW)$/;

/** src/engine/kernel/path-arguments.ts: which arguments name a file, for the calls whose fate is proc-exe.pathCall. */
export function generatePathArguments(): string {
  const sets = new Map(
    parseGroups()
      .flatMap((group) => group.sets)
      .map((set) => [set.name, set]),
  );
  const types = new Map(rowsOf("signatures.txt").map((line) => [line.split(/\s+/)[0]!, line.split(/\s+/).slice(2)]));
  const names = new Set<string>();
  const rows: string[] = [];
  for (const call of parseSyscalls().calls.filter(({ fate }) => fate === "proc-exe.pathCall")) {
    const constant = `SYS_${call.name.toUpperCase()}`;
    names.add(constant);
    const of = types.get(call.name)!;
    const path = of.indexOf("path");
    if (path < 0) throw new Error(`${call.name} has no path`);
    const directory = of[path - 1] === "dirfd" ? path - 1 : "NONE";
    const about = of.map((type) => sets.get(type)?.words.find((word) => ABOUT_LINKS.test(word)));
    const flags = about.findIndex((name) => name !== undefined);
    if (flags >= 0) names.add(about[flags]!);
    rows.push(`  ${constant}, ${directory}, ${path}, ${flags < 0 ? "NONE, 0" : `${flags}, ${about[flags]!}`},`);
  }
  const flagNames = [...names].filter((name) => !name.startsWith("SYS_"));
  const values = valuesOf(["fcntl.h", "sys/inotify.h", "sys/fanotify.h"], flagNames);
  return [
    "// Generated from src/kernel-interface/signatures.txt by tools/gen-kernel-interface.ts. Do not edit.",
    "",
    "// How calls that do something with the file at the end of a path name it.",
    "",
    `import {\n${[...names]
      .filter((name) => name.startsWith("SYS_"))
      .sort()
      .map((name) => `  ${name},`)
      .join("\n")}\n} from "./numbers";`,
    "",
    "/** No such argument. */",
    "export const NONE: u32 = 15;",
    ...flagNames
      .sort()
      .map(
        (name) =>
          `${name === "AT_SYMLINK_FOLLOW" ? "/** With it, and not without it, a link at the end is followed. */\nexport " : ""}const ${name}: u32 = 0x${values.get(name)!.value.toString(16)};`,
      ),
    "",
    "export const COLUMNS = 5;",
    "/** Number; argument that is a directory; argument that is the path; argument with flags; the flag of theirs with which a link",
    " * at the end is not followed, or, when it is AT_SYMLINK_FOLLOW, without which. */",
    "// prettier-ignore",
    "export const pathCalls: StaticArray<u32> = [",
    ...rows,
    "];",
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(CONSTANTS, generateConstants());
  writeFileSync(SIGNATURES, generateSignatures());
  writeFileSync(PATH_ARGUMENTS, generatePathArguments());
  writeFileSync(STRUCTS, generateStructs());
}
