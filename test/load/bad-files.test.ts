// Files that execve refuses or the kernel kills, and odd ones that it runs: each ends natively, through `flicker run` and
// by an execve under Flicker in the same way (exec-status.ts), and what is refused is said in one line.
//
// `natively` is what the kernel makes of it, so that a case that proves nothing is noticed. Null where kernels differ.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isNativeStandIn } from "../support/launcher.js";
import {
  EM_386,
  EM_AARCH64,
  ET_CORE,
  ET_DYN,
  ET_EXEC,
  ET_REL,
  encodeElf,
  PF_R,
  PF_W,
  PF_X,
  program,
  PT_GNU_STACK,
  PT_INTERP,
  PT_PHDR,
  type ElfFile,
  type Segment,
} from "./elf-file.js";
import { difference, executeAll, type Fates } from "./exec-status.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-bad-files-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const isRoot = process.geteuid?.() === 0;

interface Case {
  name: string;
  /** Makes the file at `path`. */
  make: (path: string) => void;
  natively: string | null;
  /** What the line of a refusal says. */
  line?: RegExp;
}

const cases: Case[] = [];
/** Every file of the folder. */
const made = new Set<string>();
const fates = new Map<string, Fates>();
const pathOf = (name: string): string => join(folder, name.replace(/[^\w.-]+/g, "-"));

const RUNS = "exit 42";
const EACCES = "errno 13";
const ENOENT = "errno 2";
const ENOEXEC = "errno 8";
const EIO = "errno 5";
const ELOOP = "errno 40";
const ELIBBAD = "errno 80";
const KILLED = "signal 11";

function add(name: string, natively: string | null, make: (path: string) => void, line?: RegExp): void {
  cases.push({ name, natively, make, ...(line ? { line } : {}) });
}
function write(path: string, bytes: Uint8Array | string, mode = 0o755): void {
  writeFileSync(path, bytes);
  chmodSync(path, mode);
}
function addText(name: string, natively: string | null, text: string, line?: RegExp): void {
  add(name, natively, (path) => write(path, text), line);
}
type Options = Parameters<typeof program>[0];
function addElf(
  name: string,
  natively: string | null,
  change: (file: ElfFile) => void,
  line?: RegExp,
  options: Options = {},
): void {
  add(
    name,
    natively,
    (path) => {
      // A name in capitals is a file of makeInterpreters.
      const { interpreter } = options;
      const resolved =
        interpreter === "ITSELF" ? path : interpreter && /^[A-Z]/.test(interpreter) ? pathOf(interpreter) : interpreter;
      write(path, encodeElf(program({ ...options, ...(resolved ? { interpreter: resolved } : {}), change })));
    },
    line,
  );
}
const loads = (file: ElfFile): Segment[] => file.segments!.filter(({ type }) => type === undefined);
const text = (file: ElfFile): Segment => loads(file)[1]!;
const data = (file: ElfFile): Segment => loads(file)[2]!;

// ---- What the path leads to

add("no such file", ENOENT, () => {}, /No such file or directory/);
add("a directory", EACCES, (path) => mkdirSync(path), /Permission denied/);
add("not executable", EACCES, (path) => write(path, encodeElf(program()), 0o644), /Permission denied/);
add("a link to nothing", ENOENT, (path) => symlinkSync("nothing", path), /No such file/);
add("a link to itself", ELOOP, (path) => symlinkSync(path, path), /Too many levels of symbolic links/);
add("a device", EACCES, (path) => symlinkSync("/dev/null", path), /Permission denied/);
addText("an empty file", ENOEXEC, "", /neither an ELF file nor a script/);
addText("text", ENOEXEC, "just text\n", /neither an ELF file nor a script/);

// ---- The file header

addElf("a program that is right", RUNS, () => {});
addElf("a position-independent program that is right", RUNS, () => {}, undefined, { type: ET_DYN });
addElf("32-bit", null, (file) => Object.assign(file, { class: 1, machine: EM_386 }), /32-bit/);
addElf("32-bit by its class alone", RUNS, (file) => (file.class = 1));
addElf("another architecture", ENOEXEC, (file) => (file.machine = EM_AARCH64), /another processor/);
addElf("big-endian by its ident alone", RUNS, (file) => (file.data = 2));
add(
  "big-endian",
  ENOEXEC,
  (path) => {
    const bytes = encodeElf(program());
    bytes[5] = 2;
    // e_type, e_machine and e_phnum as a big-endian machine has them.
    for (const at of [16, 18, 54, 56]) [bytes[at], bytes[at + 1]] = [bytes[at + 1]!, bytes[at]!];
    write(path, bytes);
  },
  /another processor/,
);
addElf("an object file", ENOEXEC, (file) => (file.type = ET_REL), /no program/);
addElf("a core file", ENOEXEC, (file) => (file.type = ET_CORE), /no program/);
addElf("phoff outside the file", ENOEXEC, (file) => (file.phoff = 0x100000n), /program headers are damaged/);
addElf("phoff negative", ENOEXEC, (file) => (file.phoff = -64n), /header is damaged/);
addElf("phentsize wrong", ENOEXEC, (file) => (file.phentsize = 32), /header is damaged/);
addElf("phnum 0", ENOEXEC, (file) => (file.phnum = 0), /header is damaged/);
addElf("phnum 65535", ENOEXEC, (file) => (file.phnum = 65535), /header is damaged/);
addElf("phnum past the end of the file", ENOEXEC, (file) => (file.phnum = 1000), /program headers are damaged/);
for (const size of [4, 20, 63, 64, 100, 0x1000]) {
  const name = `truncated to ${size} bytes`;
  addElf(name, size < 0x1000 ? ENOEXEC : null, (file) => (file.size = size));
}
// The program header lies over the file header, which must be there only as far as it is read. It is no PT_LOAD, so that
// the program starts and faults.
add("a header shorter than 64 bytes", KILLED, (path) => write(path, encodeElf({ phoff: 4n, phnum: 1, size: 60 })));
addElf("no PT_LOAD", KILLED, (file) => loads(file).forEach((segment) => (segment.type = 4)), undefined, {
  type: ET_DYN,
});
addElf("no PT_LOAD in a fixed program", KILLED, (file) => loads(file).forEach((segment) => (segment.type = 4)));

// ---- Segments

addElf("memsz smaller than filesz", KILLED, (file) => (data(file).memsz = 0x80n), /more bytes in the file/);
addElf("a segment that wraps around", KILLED, (file) => (data(file).vaddr = -0x1000n), /outside the address space/);
addElf("a segment of 2^63 bytes", KILLED, (file) => (data(file).memsz = 1n << 63n), /outside the address space/);
addElf("a segment at the end of the address space", KILLED, (file) => {
  data(file).vaddr = 0x7ffffffff000n;
});
addElf(
  "a segment's file offset outside the file",
  KILLED,
  (file) => (data(file).offset = 0x100000n),
  /end of the file/,
);
addElf("text outside the file", null, (file) => (text(file).offset = 0x100000n));
addElf("a file offset that overflows", KILLED, (file) => (data(file).offset = -0x1000n), /cannot be mapped/);
addElf("a segment that is not aligned to its file offset", KILLED, (file) => (data(file).offset! += 8n), /same page/);
addElf("bss alone that is not aligned to its file offset", RUNS, (file) => {
  file.segments!.push({ flags: PF_R | PF_W, offset: 0x123n, vaddr: 0x500000n, filesz: 0n, memsz: 0x5000n });
});
addElf("a segment without bytes", RUNS, (file) => {
  file.segments!.push({ flags: PF_R, offset: 0x123n, vaddr: 0x400800n, filesz: 0n, memsz: 0n });
});
addElf("segments that overlap: the last one counts", RUNS, (file) => {
  file.segments!.splice(0, 0, { flags: PF_R, offset: 0n, vaddr: 0x401000n, filesz: 0x2800n });
});
addElf("segments in descending order", RUNS, (file) => file.segments!.reverse());
addElf("segments in descending order, relocatable", RUNS, (file) => file.segments!.reverse(), undefined, {
  type: ET_DYN,
  interpreter: "INTERPRETER",
});
addElf("segments that are terabytes apart", RUNS, (file) => {
  file.segments!.push({ flags: PF_R, offset: 0n, vaddr: 0x100000000000n, filesz: 0x800n });
});
addElf("p_align 3", RUNS, (file) => loads(file).forEach((segment) => (segment.align = 3n)), undefined, {
  type: ET_DYN,
});
addElf("p_align 0", RUNS, (file) => loads(file).forEach((segment) => (segment.align = 0n)), undefined, {
  type: ET_DYN,
});
for (const bits of [21n, 30n, 40n]) {
  addElf(`p_align 2^${bits}`, RUNS, (file) => (text(file).align = 1n << bits), undefined, { type: ET_DYN });
  addElf(`p_align 2^${bits} with an interpreter`, RUNS, (file) => (text(file).align = 1n << bits), undefined, {
    type: ET_DYN,
    interpreter: "INTERPRETER",
  });
}
addElf("p_align 2^63", isRoot ? null : KILLED, (file) => (text(file).align = 1n << 63n), undefined, { type: ET_DYN });
addElf("p_align of the interpreter does not count", RUNS, () => {}, undefined, { interpreter: "ALIGNED" });
addElf("writable text", RUNS, (file) => (text(file).flags = PF_R | PF_W | PF_X));
addElf("executable data", RUNS, (file) => (data(file).flags = PF_R | PF_W | PF_X));
addElf("text that may not be read", RUNS, (file) => (text(file).flags = PF_X));
addElf("text that may not be executed", KILLED, (file) => (text(file).flags = PF_R));
addElf("bss of a segment that may not be written is writable", null, (file) => {
  data(file).flags = PF_R;
  data(file).filesz = 0x80n;
});
addElf("bss up to the end of a page", RUNS, (file) => (data(file).memsz = 0x3000n));
addElf("a PT_PHDR that lies", RUNS, (file) => {
  file.segments!.unshift({ type: PT_PHDR, vaddr: 0xdead000n, offset: 64n, filesz: 0x100n });
});
addElf("a page at address 0", null, (file) => file.segments!.push({ flags: PF_R, vaddr: 0n, filesz: 0x800n }));
addElf("a stack that may be executed", RUNS, (file) => (file.segments!.at(-1).flags = PF_R | PF_W | PF_X));
addElf("no PT_GNU_STACK", RUNS, (file) => (file.segments = file.segments!.filter((s) => s.type !== PT_GNU_STACK)));

// ---- The entry point

addElf("entry point outside the segments", KILLED, (file) => (file.entry = 0x700000n), /entry point/);
addElf("entry point in the engine, perhaps", KILLED, (file) => (file.entry = 0x10000n), /entry point/, {
  type: ET_DYN,
});
addElf("entry point 0", KILLED, (file) => (file.entry = 0n));
addElf("entry point in the kernel's half", KILLED, (file) => (file.entry = -0x1000n), /entry point/);
addElf("entry point that is not canonical", KILLED, (file) => (file.entry = 1n << 60n), /entry point/);
addElf(
  "entry point of a program with an interpreter does not count",
  RUNS,
  (file) => (file.entry = -0x1000n),
  undefined,
  {
    interpreter: "INTERPRETER",
  },
);

// ---- The interpreter

for (const type of [ET_EXEC, ET_DYN]) {
  const kind = type === ET_EXEC ? "fixed" : "relocatable";
  for (const interpreter of ["INTERPRETER", "FIXED"])
    addElf(`${kind} program, interpreter ${interpreter}`, RUNS, () => {}, undefined, { type, interpreter });
}
const interpreters: [path: string, natively: string, line?: RegExp][] = [
  ["/no/such/interpreter", ENOENT, /interpreter \/no\/such\/interpreter: No such file/],
  ["/tmp", EACCES, /interpreter \/tmp: Permission denied/],
  ["/dev/null", EACCES, /Permission denied/],
  ["NOT-EXECUTABLE", EACCES, /Permission denied/],
  ["/no/such\nline", ENOENT, /interpreter \/no\/such\?line: No such file/],
  ["EMPTY", EIO, /Input\/output error/],
  ["TEXT", ELIBBAD, /corrupted shared library/],
  ["SCRIPT", ELIBBAD, /corrupted shared library/],
  ["FOR-32-BIT", ELIBBAD],
  ["FOR-AARCH64", ELIBBAD],
  ["OBJECT-FILE", KILLED, /neither an executable nor/],
  ["NO-HEADERS", ELIBBAD],
  ["HEADERS-OUTSIDE", ELIBBAD],
  ["NO-LOAD", KILLED, /no segment/],
  ["HUGE", KILLED],
  ["BAD-ENTRY", KILLED, /entry point/],
  // An interpreter's own interpreter does not count, so that none can loop.
  ["WITH-INTERPRETER", RUNS],
  ["LOOP-A", RUNS],
  ["ITSELF", RUNS],
  ["SHIFTED", RUNS],
];
for (const [interpreter, natively, line] of interpreters)
  addElf(`interpreter ${interpreter}`, natively, () => {}, line, { type: ET_DYN, interpreter });
addElf("interpreter ITSELF of a fixed program", RUNS, () => {}, undefined, { interpreter: "ITSELF" });
addElf("interpreter ./relative", RUNS, () => {}, undefined, { interpreter: "./relative-interpreter" });
const interp = (file: ElfFile): Segment => file.segments!.find(({ type }) => type === PT_INTERP)!;
const withInterpreter: Options = { interpreter: "INTERPRETER" };
addElf(
  "interpreter's path empty",
  EACCES,
  (file) => (file.contents = [...file.contents!, { offset: 0x400, bytes: Uint8Array.of(0, 0) }]),
  /Permission denied/,
  { interpreter: "x" },
);
addElf("interpreter's path of one byte", ENOEXEC, (file) => (interp(file).filesz = 1n), /damaged/, withInterpreter);
addElf("interpreter's path too long", ENOEXEC, (file) => (interp(file).filesz = 4097n), /damaged/, withInterpreter);
addElf(
  "interpreter's path not terminated",
  ENOEXEC,
  (file) => (interp(file).filesz! -= 1n),
  /damaged/,
  withInterpreter,
);
addElf(
  "interpreter's path outside the file",
  EIO,
  (file) => (interp(file).offset = 0x100000n),
  undefined,
  withInterpreter,
);
addElf(
  "a second PT_INTERP does not count",
  RUNS,
  (file) => {
    file.segments!.push({ type: PT_INTERP, offset: 0n, filesz: 1n });
  },
  undefined,
  withInterpreter,
);

// ---- Scripts

addText(
  "script: missing interpreter",
  ENOENT,
  "#!/no/such/interpreter\n",
  /interpreter \/no\/such\/interpreter: No such/,
);
addText("script: no interpreter", ENOEXEC, "#!\n", /names no interpreter/);
addText("script: blanks alone", ENOEXEC, "#! \t \n", /names no interpreter/);
addText("script: nothing behind #!", EACCES, "#!");
addText("script: a zero behind #!", EACCES, "#!\0\n");
addText("script: interpreter is a directory", EACCES, "#!/tmp\n", /Permission denied/);
addText("script: interpreter is text", ENOEXEC, `#!${pathOf("TEXT")}\n`, /neither an ELF file/);
addText("script: interpreter is a bad ELF file", ENOEXEC, `#!${pathOf("NO-HEADERS")}\n`, /header is damaged/);
addText("script: line too long", ENOEXEC, `#!/${"x".repeat(300)}\n`, /names no interpreter/);
addText("script: argument too long is cut", "exit 0", `#!/bin/echo ${"x".repeat(300)}\n`);
addText("script: blanks too long", ENOEXEC, `#!${" ".repeat(300)}/bin/echo\n`);
addText("script: blanks at the end of the file are an argument", "exit 0", "#!/bin/echo  ");
addText("script: zero in the argument", "exit 0", "#!/bin/echo a  \0b\n");
addText("script: blanks behind the argument", "exit 0", "#!/bin/echo\t a b \t\n");
addText("script: its own interpreter", ELOOP, `#!${pathOf("script: its own interpreter")}\n`, /more scripts/);
for (let depth = 1; depth <= 7; depth++) {
  const before = depth === 1 ? "/bin/echo" : pathOf(`scripts, ${depth - 1} deep`);
  addText(`scripts, ${depth} deep`, depth <= 5 ? "exit 0" : ELOOP, `#!${before}\n`);
}

function makeInterpreters(): void {
  const made: Record<string, Uint8Array | string> = {
    INTERPRETER: encodeElf(program({ type: ET_DYN })),
    "relative-interpreter": encodeElf(program({ type: ET_DYN })),
    FIXED: encodeElf(program({ base: 0x10000000n })),
    SHIFTED: encodeElf(program({ type: ET_DYN, base: 0x7000000n })),
    ALIGNED: encodeElf(program({ type: ET_DYN, change: (file) => (text(file).align = 1n << 46n) })),
    "NOT-EXECUTABLE": "",
    EMPTY: "",
    TEXT: "text\n".repeat(100),
    SCRIPT: `#!/bin/sh\n${"#\n".repeat(100)}`,
    "FOR-32-BIT": encodeElf(program({ change: (file) => Object.assign(file, { class: 1, machine: EM_386 }) })),
    "FOR-AARCH64": encodeElf(program({ change: (file) => (file.machine = EM_AARCH64) })),
    "OBJECT-FILE": encodeElf(program({ change: (file) => (file.type = ET_REL) })),
    "NO-HEADERS": encodeElf(program({ change: (file) => (file.phnum = 0) })),
    "HEADERS-OUTSIDE": encodeElf(program({ change: (file) => (file.phoff = 0x100000n) })),
    "NO-LOAD": encodeElf(program({ type: ET_DYN, change: (file) => loads(file).forEach((s) => (s.type = 4)) })),
    HUGE: encodeElf(program({ type: ET_DYN, change: (file) => (data(file).vaddr = 1n << 50n) })),
    "BAD-ENTRY": encodeElf(program({ type: ET_DYN, change: (file) => (file.entry = 1n << 60n) })),
    "WITH-INTERPRETER": encodeElf(program({ type: ET_DYN, interpreter: "/no/such/interpreter" })),
    "LOOP-A": encodeElf(program({ type: ET_DYN, interpreter: pathOf("LOOP-B") })),
    "LOOP-B": encodeElf(program({ type: ET_DYN, interpreter: pathOf("LOOP-A") })),
  };
  for (const [name, content] of Object.entries(made)) write(pathOf(name), content);
  chmodSync(pathOf("NOT-EXECUTABLE"), 0o644);
}

before(async () => {
  process.chdir(folder);
  makeInterpreters();
  for (const { name, make } of cases) make(pathOf(name));
  for (const name of readdirSync(folder)) made.add(name);
  const files = cases.map(({ name }) => pathOf(name));
  const found = await executeAll(files);
  cases.forEach(({ name }, i) => fates.set(name, found[i]!));
});

for (const { name, natively, line } of cases) {
  test(name, () => {
    const found = fates.get(name)!;
    if (natively !== null) assert.equal(found.natively.result, natively, "natively");
    assert.equal(difference(found), null);
    if (line && !isNativeStandIn()) assert.match(found.launched.stderr, line);
  });
}

test("no file appears beside those that were executed", () => {
  assert.deepEqual(readdirSync(folder).sort(), [...made].sort());
});
