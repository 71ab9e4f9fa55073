// The real-program scenarios. Scripts are in test/programs/scripts; everything they print is the same in every run, but
// for what `normalise` takes out. `processes` is the tree that must be found in the statistics: how often each executable
// is started at least (a shell's forks that execute nothing are not counted here).
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildProgram, programsDirectory, type Variant } from "../support/build-program.js";
import { copyProgram } from "../support/copy-program.js";
import type { Scenario, TerminalStep } from "./differential.js";
import { writeFreePort } from "./free-port.js";
import { systems } from "./systems.js";

const script = (name: string): string => join(programsDirectory, "scripts", name);

/** `ls -la /` while other programs run: link counts (of /proc), sizes and times change. */
function withoutSizesAndTimes(text: string): string {
  return text
    .replace(/^([-bcdlps]\S{9}\S?) +\d+ (\S+) +(\S+) .*? (\S+( -> .*)?)$/gm, "$1 $2 $3 $4")
    .replace(/^total \d+$/m, "");
}

/** bash's "line 23: 4711 Killed" and "[1] 4711". */
function withoutPids(text: string): string {
  return text.replace(/(line \d+): +\d+ /g, "$1: PID ").replace(/^\[(\d+)\] \d+/gm, "[$1] PID");
}

// A job that says when it runs in the foreground, so that no key is typed too early. Its words are split in the command
// line: the echo of the typed command must not look like its output.
const job =
  `perl -MPOSIX -e '$|=1; $SIG{CONT} = sub { print "conti"."nued\\n" if tcgetpgrp(0) == getpgrp };` +
  ` print "star"."ted\\n"; sleep 1 while 1'`;
const prompt = "ready> ";

/** What a sanitizer reports, but for addresses, process and thread ids, and the shadow around a place on the stack. */
function withoutAddresses(text: string): string {
  return text
    .replace(/^(=>| {2})0x[0-9a-f]+: .*\n/gm, "")
    .replace(/0x[0-9a-f]+/g, "ADDRESS")
    .replace(/==\d+==/g, "==PID==")
    .replace(/(pid|tid)=\d+/g, "$1=ID");
}

/** gdb's words, but for the addresses of stacks and libraries and for ids. */
function withoutStackAddresses(text: string): string {
  return text
    .replace(/0x7ff[0-9a-f]{9}/g, "ADDRESS")
    .replace(/\((LWP|process) \d+\)/g, "($1 ID)")
    .replace(/process \d+/g, "process ID");
}

/** A program of test/programs/sanitizers; an argument says which error it makes. */
function sanitizer(
  name: string,
  source: string,
  variant: Variant,
  error: string | null,
  nativeStatus: string,
): Scenario {
  return {
    name,
    command: error === null ? ["./program"] : ["./program", error],
    prepare: async (directory) =>
      copyProgram(await buildProgram(`sanitizers/${source}`, variant), join(directory, "program")),
    normalise: withoutAddresses,
    nativeStatus,
    processes: { program: 1 },
  };
}

// A step waits for whole lines: a control character of ISIG throws away what the terminal has not printed yet, the newline too
// (isig in drivers/tty/n_tty.c).
const jobControl: TerminalStep[] = [
  { expect: prompt, send: "echo $((6 * 7)) $-; tty | sed 's/[0-9]*$//'; stty size\n" },
  { expect: prompt, send: `${job}\n` },
  { expect: "started\r\n", send: "\x1a" },
  { expect: prompt, send: "jobs\n" },
  { expect: prompt, send: "fg\n" },
  { expect: "continued\r\n", send: "\x1a" },
  { expect: prompt, send: "fg %1\n" },
  { expect: "continued\r\n", send: "\x03" },
  { expect: prompt, send: "echo status $?\n" },
  { expect: prompt, send: `${job}\n` },
  { expect: "started\r\n", send: "\x1a" },
  { expect: prompt, send: "bg; kill %1; wait %1; echo gone $?\n" },
  { expect: "gone 143", send: "" },
  { expect: prompt, send: `${job} | cat\n` },
  { expect: "started\r\n", send: "\x1c" },
  { expect: prompt, send: "echo ${PIPESTATUS[@]}\n" },
  { expect: prompt, send: `perl -e '$|=1; print "ty"."pe\\n"; while (<STDIN>) { print "got $_" }'\n` },
  { expect: "type\r\n", send: "some text\n" },
  { expect: "got some text\r\n", send: "\x04" },
  { expect: prompt, send: "echo abc\x7f\x7fxy\x01: \x05 z\n" },
  { expect: prompt, send: "trap 'echo bye' EXIT; exit 3\n" },
];

// Keys for vim. What it draws depends on how the keys arrive, so only the files that it writes are compared. The words that a
// step waits for are put together by vim: in the echo of the keys they are apart.
const vimKeys: TerminalStep[] = [
  { expect: "\\?25h", send: ":set nocompatible noshowcmd nomore shortmess=aoOtTIF\r:echo 'rea'.'dy'\r" },
  {
    expect: "ready",
    send: "ggOfirst line\x1bGolast line\x1b:silent g/^7/m0\r:silent %s/\\d\\+$/(&)/e\r:3,5d\r:echo 'edi'.'ted'\r",
  },
  { expect: "edited", send: "ggqqA!\x1bjq20@q:silent sort n /(/\r:echo 'macro'.'d'\r" },
  {
    expect: "macrod",
    send: ":silent %!cksum; seq 5\r:silent w! filtered\ru:silent $r !echo from a shell\r:echo 'fil'.'tered'\r",
  },
  { expect: "filtered", send: ":silent new\r:silent put =range(1,5)\r:silent w! range\r:q\r:echo 'bu'.'ffers'\r" },
  { expect: "buffers", send: ":silent w! out\r:echo 'writ'.'ten'\r" },
  { expect: "written", send: ":cq 3\r" },
];

const edWords: TerminalStep[] = [
  { expect: "\\d+\r\n", send: "H\n1,3p\n" },
  { expect: "\n3\r\n", send: "/55/;+2s/5/five/g\n.=\n" },
  { expect: "\n57\r\n", send: "g/8$/d\n$a\nadded\n.\n,n\n" },
  { expect: "82\tadded\r\n", send: "r !seq 5 | sort -r\n" },
  { expect: "\n10\r\n", send: "u\n!echo from a shell\n" },
  { expect: "\n!\r\n", send: "/none/\n" },
  { expect: "No match\r\n", send: "w out\n" },
  { expect: "\n\\d+\r\n", send: "q\n" },
];

export const scenarios: Scenario[] = [
  { name: "true", command: ["true"], processes: { true: 1 } },
  { name: "ls", command: ["ls", "-la", "/"], normalise: withoutSizesAndTimes, processes: { ls: 1 } },
  {
    name: "bash pipeline",
    command: ["bash", script("pipeline.sh")],
    normalise: withoutPids,
    nativeStatus: "exit 9",
    processes: { bash: 1, seq: 3, grep: 1, sort: 1, sed: 1, head: 2, tr: 2, yes: 1, cat: 3, diff: 1, sleep: 1 },
  },
  {
    name: "bash on a terminal",
    command: ["bash", "--norc", "--noprofile", "-i"],
    environment: { PS1: prompt, TERM: "xterm", HISTFILE: "" },
    terminal: jobControl,
    normalise: withoutPids,
    nativeStatus: "exit 3",
    processes: { bash: 1, perl: 4, cat: 1, sed: 1, tty: 1, stty: 1 },
  },
  {
    name: "sort",
    command: ["bash", script("sort.sh")],
    processes: { bash: 1, seq: 1, sort: 4, cksum: 2, wc: 1, tail: 1 },
  },
  {
    name: "gcc",
    command: ["bash", script("compile.sh")],
    processes: { bash: 1, cc1: 6, collect2: 3, cksum: 1, "static-link": 1, "dynamic-link": 1 },
  },
  {
    name: "make",
    command: ["bash", script("make.sh")],
    processes: { bash: 1, make: 5, cc1: 7, collect2: 1, program: 2, dash: 6, cksum: 1 },
  },
  {
    name: "git",
    command: ["bash", script("git.sh")],
    processes: { bash: 1, git: 20, seq: 1, sed: 1, dash: 3, basename: 2 },
  },
  {
    name: "tar",
    command: ["bash", script("tar.sh")],
    processes: { bash: 1, tar: 5, gzip: 5, xz: 2, seq: 51, diff: 1, cksum: 3 },
  },
  {
    name: "python3",
    command: ["/usr/bin/python3", script("threads.py")],
    nativeStatus: "exit 6",
    processes: { "python3.11": 1, cksum: 1, dash: 3, seq: 1, wc: 1, sleep: 1 },
  },
  {
    name: "perl",
    command: ["perl", script("mixed.pl")],
    nativeStatus: "exit 4",
    processes: { perl: 1, dash: 4, sort: 1, tail: 1 },
  },
  {
    name: "sqlite3",
    command: ["sqlite3", "-batch", "data.db", `.read ${script("workload.sql")}`],
    processes: { sqlite3: 1 },
  },
  {
    name: "busybox-static",
    command: ["busybox", "sh", script("busybox.sh")],
    prepare: (directory) => writeFile(join(directory, "numbers"), "1\n2\n3\n4\n5\n"),
    processes: { busybox: 20 },
  },
  ...(["musl", "musl-static", "static-pie", "static", "fixed"] as const).map((variant): Scenario => ({
    name: `hello ${variant}`,
    command: ["./hello"],
    prepare: async (directory) => copyProgram(await buildProgram("hello.c", variant), join(directory, "hello")),
    stdin: "text\n",
    processes: { hello: 1 },
  })),
  {
    name: "go",
    command: ["./server"],
    prepare: async (directory) => copyProgram(await buildProgram("server.go", "go"), join(directory, "server")),
    nativeStatus: "exit 5",
    processes: { server: 1, dash: 1, echo: 8 },
  },
  {
    // Where the statistics' file is out of reach: the processes that it names are those before.
    name: "a new root",
    command: ["bash", script("new-root.sh")],
    processes: { bash: 1, chroot: 2, unshare: 3, dash: 3 },
  },
  {
    name: "credentials",
    command: ["bash", script("credentials.sh")],
    normalise: (text) => text.replace(/^.*nohup: .*\n/gm, ""),
    processes: { bash: 1, busybox: 8, dash: 4, unshare: 4, setarch: 2 },
  },
  {
    name: "process names",
    command: ["bash", script("process-names.sh")],
    processes: { bash: 1, "own-name": 1, reader: 1, ps: 2, lsof: 1, fuser: 1 },
  },
  {
    name: "a program's own place",
    command: ["bash", script("own-place.sh")],
    processes: { bash: 3, main: 4, "python3.11": 3, perl: 2, node: 2, busybox: 2, "own-go": 4 },
  },
  {
    name: "nginx and curl",
    command: ["bash", script("nginx.sh")],
    prepare: writeFreePort,
    normalise: withoutPids,
    processes: { bash: 1, nginx: 1, curl: 16, cksum: 9, seq: 1 },
  },
  {
    name: "tmux",
    command: ["bash", script("tmux.sh")],
    processes: { bash: 1, tmux: 10, dash: 1, stty: 1, grep: 1 },
  },
  {
    name: "node",
    command: [process.execPath, "-e", `import(${JSON.stringify(script("threads.mjs"))})`],
    nativeStatus: "exit 8",
    processes: { node: 1, echo: 1, dash: 1, sort: 1 },
  },
  {
    name: "node, jit",
    command: [process.execPath, script("node.mjs")],
    nativeStatus: "exit 12",
    processes: { node: 2, dash: 1, cat: 1 },
  },
  sanitizer("address sanitizer", "address.c", "address-sanitizer", null, "exit 0"),
  sanitizer("address sanitizer, fixed", "address.c", "address-sanitizer-fixed", null, "exit 0"),
  ...["heap", "free", "stack", "segv", "leak"].map((error) =>
    sanitizer(`address sanitizer, ${error}`, "address.c", "address-sanitizer", error, "exit 1"),
  ),
  sanitizer("address sanitizer, C++", "undefined.cc", "address-sanitizer-c++", null, "exit 0"),
  sanitizer("address sanitizer, C++, container", "undefined.cc", "address-sanitizer-c++", "container", "exit 1"),
  sanitizer("undefined behaviour sanitizer", "undefined.cc", "undefined-sanitizer-c++", null, "exit 0"),
  sanitizer("undefined behaviour sanitizer, errors", "undefined.cc", "undefined-sanitizer-c++", "bounds", "exit 4"),
  sanitizer("thread sanitizer", "thread.c", "thread-sanitizer", null, "exit 0"),
  sanitizer("thread sanitizer, race", "thread.c", "thread-sanitizer", "race", "exit 66"),
  {
    name: "gdb",
    command: ["bash", script("gdb.sh")],
    normalise: withoutStackAddresses,
    processes: { bash: 1, gdb: 5, cc1: 1 },
  },
  {
    name: "strace",
    command: ["bash", script("strace.sh")],
    normalise: withoutPids,
    processes: { bash: 1, strace: 3, gdb: 1, sleep: 1 },
  },
  {
    name: "redis",
    command: ["bash", script("redis.sh")],
    prepare: writeFreePort,
    processes: { bash: 1, "redis-check-rdb": 1, "redis-benchmark": 2, "redis-cli": 15 },
  },
  {
    name: "openssl",
    command: ["bash", script("openssl.sh")],
    prepare: writeFreePort,
    processes: { bash: 1, openssl: 31, cmp: 4 },
  },
  {
    name: "compressors",
    command: ["bash", script("compressors.sh")],
    processes: { bash: 1, xz: 8, zstd: 8, bzip2: 4, gzip: 4 },
  },
  { name: "ffmpeg", command: ["bash", script("ffmpeg.sh")], processes: { bash: 1, ffmpeg: 12, ffprobe: 1 } },
  {
    name: "imagemagick",
    command: ["bash", script("imagemagick.sh")],
    processes: { bash: 1, "convert-im6.q16": 7, "identify-im6.q16": 2, "compare-im6.q16": 1, "montage-im6.q16": 1 },
  },
  {
    name: "ruby",
    command: ["ruby", script("mixed.rb")],
    nativeStatus: "exit 6",
    processes: { "ruby3.1": 1, dash: 1, sort: 1 },
  },
  {
    name: "php",
    command: ["php", script("mixed.php")],
    nativeStatus: "exit 7",
    processes: { "php8.2": 1, sort: 1, dash: 2 },
  },
  {
    name: "lua",
    command: ["lua5.4", script("mixed.lua")],
    nativeStatus: "exit 9",
    processes: { "lua5.4": 1, dash: 2, seq: 1, sort: 1 },
  },
  {
    name: "luajit",
    command: ["luajit", script("jit.lua")],
    nativeStatus: "exit 3",
    processes: { luajit: 1 },
  },
  {
    name: "sbcl",
    command: [
      "sbcl",
      "--noinform",
      "--no-sysinit",
      "--no-userinit",
      "--disable-debugger",
      "--load",
      script("sbcl.lisp"),
    ],
    nativeStatus: "exit 4",
    processes: { sbcl: 1, dash: 1 },
  },
  { name: "jq", command: ["bash", script("jq.sh")], processes: { bash: 1, jq: 10, cksum: 2 } },
  {
    name: "emacs",
    command: ["emacs", "-Q", "-batch", "-l", script("emacs.el")],
    nativeStatus: "exit 5",
    processes: { "emacs-nox": 1, dash: 3, tail: 1, tr: 1 },
  },
  {
    name: "vim on a terminal",
    command: ["vim.basic", "-u", "NONE", "-i", "NONE", "-n", "numbers"],
    environment: { TERM: "xterm", SHELL: "/bin/sh" },
    prepare: (directory) =>
      writeFile(join(directory, "numbers"), Array.from({ length: 90 }, (_, i) => `${i} ${(i * 37) % 101}\n`).join("")),
    terminal: vimKeys,
    normalise: () => "",
    files: ["out", "filtered", "range"],
    nativeStatus: "exit 3",
    processes: { "vim.basic": 1, dash: 2, cksum: 1, seq: 1 },
  },
  {
    name: "ed on a terminal",
    command: ["ed", "numbers"],
    prepare: (directory) =>
      writeFile(join(directory, "numbers"), Array.from({ length: 90 }, (_, i) => `${i + 1}\n`).join("")),
    terminal: edWords,
    files: ["out"],
    nativeStatus: "exit 1",
    processes: { ed: 1, dash: 2, seq: 1, sort: 1 },
  },
  { name: "rsync", command: ["bash", script("rsync.sh")], processes: { bash: 1, rsync: 6, diff: 1, cksum: 1 } },
  {
    name: "zsh",
    command: ["zsh", "-f", script("zsh.zsh")],
    nativeStatus: "exit 3",
    processes: { zsh: 1, true: 20, seq: 4 },
  },
  {
    name: "fish",
    command: ["fish", "-N", script("fish.fish")],
    nativeStatus: "exit 6",
    processes: { fish: 1, seq: 4, sort: 2, diff: 1 },
  },
  {
    name: "dash",
    command: ["dash", script("dash.sh")],
    nativeStatus: "signal SIGKILL",
    processes: { dash: 2, expr: 300, mkfifo: 1, sort: 1 },
  },
  {
    name: "cmake and ninja",
    command: ["bash", script("cmake.sh")],
    processes: { bash: 1, cmake: 1, ninja: 4, cc1: 8, cc1plus: 2, ctest: 1 },
  },
  {
    name: "clang",
    command: ["bash", script("clang.sh")],
    processes: { bash: 1, clang: 9, "x86_64-linux-gnu-ld.bfd": 3, "program-O2": 1 },
  },
  {
    name: "m4, flex and bison",
    command: ["bash", script("grammar.sh")],
    processes: { bash: 1, m4: 3, flex: 1, bison: 2, calculator: 1 },
  },
  {
    name: "go tool chain",
    command: ["bash", script("go.sh")],
    processes: { bash: 1, go: 3, compile: 5, link: 1, gofmt: 3, program: 1 },
  },
  ...systems,
];
