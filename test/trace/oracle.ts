// strace beside what src/trace makes of the same calls: recorder.c records a command's calls, and strace, on a second run of the
// same command, says what they are.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../src/host/package-root.js";
import { capturePlan } from "../../src/kernel-interface/capture-plan.js";
import { signatures } from "../../src/kernel-interface/signature.js";
import { type TraceEvent, decodeEvent } from "../../src/trace/event.js";

/** The steps of every call as C. */
function plansHeader(): string {
  const lines: string[] = [];
  const plans: string[] = [];
  for (const signature of signatures.values()) {
    const steps = capturePlan(signature);
    const name = `steps_${signature.number}`;
    const body = steps.map((s) => `{${[s.kind, s.argument, s.when, s.length, s.unit, s.limit].join(",")}}`);
    if (steps.length > 0) lines.push(`static const struct step ${name}[] = {${body.join(",")}};`);
    const descriptors = signature.arguments.reduce(
      (mask, { type, direction }, index) =>
        /^(fd|dirfd)$/.test(type) && direction === "" ? mask | (1 << index) : mask,
      signature.result === "fd" ? 1 << 6 : 0,
    );
    plans.push(`[${signature.number}] = {${steps.length > 0 ? name : "0"}, ${steps.length}, ${descriptors}},`);
  }
  return [...lines, "static const struct plan plans[] = {", ...plans, "};", ""].join("\n");
}

export interface Recorder {
  /** @returns the events of the command; -s is as given */
  record(command: readonly string[], textLimit?: number, input?: string): TraceEvent[];
  /** @returns what strace writes of it */
  strace(options: readonly string[], command: readonly string[], input?: string): string;
  /** @returns what `flicker trace` writes of it */
  flicker(options: readonly string[], command: readonly string[], input?: string): string;
  remove(): void;
}

/** @param extra variables for commands and tracers */
export function buildRecorder(extra: Readonly<Record<string, string>> = {}): Recorder {
  const directory = mkdtempSync(join(tmpdir(), "flicker-recorder-"));
  writeFileSync(join(directory, "plans.h"), plansHeader());
  const source = fileURLToPath(new URL("recorder.c", import.meta.url));
  const program = join(directory, "recorder");
  execFileSync("gcc", ["-O1", "-Wall", "-I", directory, "-o", program, source], { stdio: "inherit" });
  const environment = {
    ...{ PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC", HOME: "/", FLAG: "a=b", PERL_HASH_SEED: "0" },
    ...extra,
  };
  const output = join(directory, "output");
  const work = join(directory, "work");
  // A command finds the same files in both runs.
  const prepare = (): void => {
    rmSync(work, { recursive: true, force: true });
    mkdirSync(join(work, "d"), { recursive: true });
    writeFileSync(join(work, "a.txt"), "hello\nworld\n\x01\x022\n");
    symlinkSync("a.txt", join(work, "link"));
    for (const name of ["a.txt", "d", "."]) utimesSync(join(work, name), 1_000_000_000, 1_000_000_000);
  };
  const run = (file: string, options: readonly string[], input: string, more: NodeJS.ProcessEnv): void => {
    prepare();
    const { error } = spawnSync(file, options, {
      cwd: work,
      env: { ...environment, PWD: work, ...more },
      input,
      stdio: ["pipe", "pipe", "pipe"],
    });
    if (error) throw error;
  };
  return {
    record(command, textLimit = 32, input = "") {
      run("setarch", ["-R", program, output, ...command], input, { TEXT_LIMIT: String(textLimit) });
      const bytes = new Uint8Array(readFileSync(output));
      const events: TraceEvent[] = [];
      for (let at = 0; at < bytes.length;) {
        const decoded = decodeEvent(bytes, at);
        assert.ok(decoded !== null, "the recording ends in the middle of an event");
        events.push(decoded.event);
        at = decoded.next;
      }
      return events;
    },
    strace(options, command, input = "") {
      run("setarch", ["-R", "strace", "-o", output, ...options, ...command], input, {});
      return readFileSync(output, "latin1");
    },
    flicker(options, command, input = "") {
      run(
        "setarch",
        ["-R", join(packageRoot, "dist/launcher"), "trace", "-o", output, ...options, ...command],
        input,
        {},
      );
      return readFileSync(output, "latin1");
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** What differs between two runs of a command that do the same: addresses (the stack's, although nothing is randomized),
 * processes, times, random numbers, the state of the machine. */
const DIFFERENCES: readonly [RegExp, string][] = [
  [/0x[0-9a-f]{6,}/g, "ADDRESS"],
  [/^(sysinfo|getrusage|times)\(.*/, "$1"],
  [/(f_bfree|f_bavail|f_ffree|u64)=\d+/g, "$1=NUMBER"],
  [/htons\(\d{5}\)/g, "htons(PORT)"],
  [/\b(stx?_ino)=\d+/g, "$1=NUMBER"],
  [/stx_atime=\{[^}]*\}( \/\*[^*]*\*\/)?/g, "stx_atime=TIME"],
  [/st_atime=\d+( \/\*[^*]*\*\/)?, st_atime_nsec=\d+/g, "st_atime=TIME"],
  // A new socket's inode has the times of the one that its memory held before: sock_alloc (net/socket.c) sets none.
  [/(S_IFSOCK.*st_atime=TIME), st_mtime=.*?st_ctime_nsec=\d+/g, "$1"],
  [/<(socket|pipe):\[\d+\]>/g, "<$1:[NUMBER]>"],
  // perl's seed, from /dev/urandom.
  [/(read\(\d+, )"(?:[^"\\]|\\.)*"(, 4\)) +(= 4)$/g, "$1RANDOM$2 $3"],
  [/left \{[^}]*\}/g, "left TIME"],
  [/^(set_tid_address|getpid|gettid|getppid|fork|vfork|clone3?|getpgrp|setsid)(\(.*\) += )\d+$/, "$1$2PID"],
  [/^(wait4|waitid)\((-1|P_ALL, 0|\d+)(.*) = \d+$/, "$1($2$3 = PID"],
  [/^(kill|tgkill|tkill|prlimit64|getpgid|setpgid|sched_\w+|wait4)\(\d{3,}/, "$1(PID"],
  [/^(tgkill\(PID), \d+/, "$1, PID"],
  [/si_pid=\d+/g, "si_pid=PID"],
  [/parent_tid=\[\d+\]/g, "parent_tid=[PID]"],
  [/(getrandom\()"(?:[^"\\]|\\.)*"/g, "$1RANDOM"],
  [/(rt_sigreturn)\(.*/, "$1"],
  [/si_[us]time=\d+/g, "si_time=TIME"],
  [/\/proc\/\d+/g, "/proc/PID"],
];

/** A line without what differs; what was padded to a column is not any more. */
export function masked(line: string): string {
  const text = DIFFERENCES.reduce((rest, [pattern, name]) => rest.replace(pattern, name), line);
  return text === line ? line : text.replace(/ {2,}= /, " = ");
}
