// The real-program scenarios. Scripts are in test/programs/scripts; everything they print is the same in every run, but
// for what `normalise` takes out. `processes` is the tree that must be found in the statistics: how often each executable
// is started at least (a shell's forks that execute nothing are not counted here).
import { createServer } from "node:net";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildProgram, programsDirectory } from "../support/build-program.js";
import type { Scenario, TerminalStep } from "./differential.js";

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

async function writeFreePort(directory: string): Promise<void> {
  // Under the range from which the kernel takes ports for clients, so that none is taken between here and its use.
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const isFree = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (isFree) return writeFile(join(directory, "port"), `${port}\n`);
  }
}

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
    prepare: async (directory) => copyFile(await buildProgram("hello.c", variant), join(directory, "hello")),
    stdin: "text\n",
    processes: { hello: 1 },
  })),
  {
    name: "go",
    command: ["./server"],
    prepare: async (directory) => copyFile(await buildProgram("server.go", "go"), join(directory, "server")),
    nativeStatus: "exit 5",
    processes: { server: 1, dash: 1, echo: 8 },
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
];
