// What a program costs in memory under Flicker: address space, resident memory and mappings, against the same program
// natively.
//
// A program stays where it is measured (sleeping, or waiting for its standard input), and /proc/PID/status and maps are read.
// Mappings are what vm.max_map_count limits; the aim is a tenth of it at most.

import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Benchmark, Report } from "./benchmark.js";
import { buildTarget, compilerProper, launcherPath } from "./target.js";

export interface Usage {
  /** KiB. */
  readonly addressSpace: number;
  readonly resident: number;
  readonly mappings: number;
}

/** Each waits for ever when its standard input stays open. */
function programs(): readonly [name: string, command: readonly string[]][] {
  const threads = buildTarget("waiting-threads", ["-pthread"]);
  return [
    // libc alone: what /bin/true has as well, but cat waits.
    ["cat (libc alone)", ["/bin/cat"]],
    ["bash", ["/bin/bash", "-c", "read line"]],
    ["python3", ["/usr/bin/python3", "-c", "input()"]],
    ["cc1", [compilerProper(), "-quiet", "-o", "/dev/null", "-"]],
    ["1 thread", [threads, "0"]],
    ["1,001 threads", [threads, "1000"]],
    ["1,001 threads, a signal each", [threads, "1000", "signalled"]],
    ["5,000 threads that are gone", [threads, "5000", "gone"]],
  ];
}

function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(status)?.[1] ?? NaN);
  const mappings = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n").length - 1;
  return { addressSpace: field("VmSize"), resident: field("VmRSS"), mappings };
}

/** Whether the process waits in a system call that reads: read is 0. */
function isReading(pid: number): boolean {
  return readFileSync(`/proc/${pid}/syscall`, "utf8").startsWith("0 0x0 ");
}

/** Runs a command until it waits for its standard input, and gives what it has then. */
export async function measure(command: readonly string[]): Promise<Usage> {
  const [file = "", ...args] = command;
  const child: ChildProcess = spawn(file, args, { stdio: ["pipe", "ignore", "inherit"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  try {
    const pid = child.pid!;
    for (let waited = 0; !isReading(pid); waited += 10) {
      if (waited > 20_000 || child.exitCode !== null) throw new Error(`${command.join(" ")} does not read its input`);
      await sleep(10);
    }
    return usageOf(pid);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

async function run(): Promise<Report> {
  const launcher = launcherPath();
  const limit = Number(readFileSync("/proc/sys/vm/max_map_count", "utf8"));
  const rows: string[][] = [];
  const mib = (kib: number): string => (kib / 1024).toFixed(1);
  for (const [name, command] of programs()) {
    const native = await measure(command);
    const ours = await measure([launcher, "run", "--", ...command]);
    const added = ours.mappings - native.mappings;
    rows.push([
      name,
      mib(native.addressSpace),
      mib(ours.addressSpace),
      mib(native.resident),
      mib(ours.resident),
      String(native.mappings),
      String(ours.mappings),
      `${((added / limit) * 100).toFixed(3)} %`,
    ]);
  }
  const header = ["", "VmSize, MiB", "Flicker", "VmRSS, MiB", "Flicker", "mappings", "Flicker", "added, of limit"];
  return {
    tables: [{ header, rows }],
    notes: [`vm.max_map_count is ${limit}; one measurement each: they do not vary`],
  };
}

export const memory: Benchmark = { name: "memory", description: "address space, resident memory, mappings", run };
