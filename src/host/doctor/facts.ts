// What `flicker doctor` looks at, gathered in one place so that the checks (checks.ts) are functions of it alone and tests give
// them other machines.
//
// Node reads what /proc says of this process: limits, the seccomp mode and the like are inherited, and Node changes none
// of those that are checked. What the kernel really answers, the launcher asks (src/engine/load/probe.ts).

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, realpathSync } from "node:fs";
import { release } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { cacheFolder, claimFolder, isIntact } from "../cache.js";
import { findLauncher } from "../launcher.js";
import { productsOf } from "../products.js";

export interface Facts {
  /** Node's name of it: "x64". */
  readonly architecture: string;
  readonly processor: { readonly model: string; readonly flags: ReadonlySet<string> };
  /** As `uname -r` has it. */
  readonly kernelRelease: string;
  readonly nodeVersion: string;
  /** What the launcher found out by asking: values as the kernel gave them, -errno included; those that are missing were not asked. */
  readonly probe: ReadonlyMap<string, number>;
  /** Why answers are missing, or null. */
  readonly probeFailure: string | null;
  /** Soft limits of this process by their names in /proc/self/limits, in bytes or by number; Infinity for none. */
  readonly limits: ReadonlyMap<string, number>;
  /** Files under /proc/sys by their dotted names; those that are missing are not there. */
  readonly sysctl: ReadonlyMap<string, string>;
  /** /proc/self/status by name. */
  readonly status: ReadonlyMap<string, string>;
  readonly isRoot: boolean;
  readonly environment: NodeJS.ProcessEnv;
  readonly selinux: "enforcing" | "permissive" | "off";
  /** Whether programs can run at all, which each of these says in its own way. */
  readonly installation: "intact" | "changed" | "missing";
  readonly installationFolder: string;
  readonly installationIsNoexec: boolean;
  readonly cache: { readonly folder: string; readonly failure: string | null; readonly isNoexec: boolean };
  readonly run: Run;
  /** Where a command is along PATH, or null. */
  readonly commands: ReadonlyMap<string, string | null>;
}

/** `flicker run -- true`, and how long it takes. */
export type Run =
  | { readonly failure: string }
  | {
      readonly failure: null;
      /** Medians, in milliseconds, of a whole process as Node sees it. */
      readonly milliseconds: number;
      readonly nativeMilliseconds: number;
      readonly sites: number;
      readonly patched: number;
    };

export const SYSCTL_NAMES = [
  "vm.max_map_count",
  "vm.overcommit_memory",
  "vm.mmap_min_addr",
  "vm.memfd_noexec",
  "kernel.randomize_va_space",
  "kernel.yama.ptrace_scope",
  "kernel.perf_event_paranoid",
] as const;
export const COMMANDS = ["gdb", "perf"] as const;
const ROUNDS = 9;

/** The text of a file without the white space around it, or null when it cannot be read. */
function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null;
  }
}

/** The launcher's answers: one `name value` a line. */
export function parseProbe(text: string): Map<string, number> {
  return new Map([...text.matchAll(/^(\w+) (-?\d+)$/gm)].map(([, name, value]) => [name as string, Number(value)]));
}

/** Soft limits, from the columns of /proc/self/limits. */
export function parseLimits(text: string): Map<string, number> {
  const rows = text.matchAll(/^Max (.+?) {2,}(\d+|unlimited) /gm);
  return new Map([...rows].map(([, name, soft]) => [name as string, soft === "unlimited" ? Infinity : Number(soft)]));
}

export function parseStatus(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^(\w+):\t(.*)$/gm)].map(([, name, value]) => [name as string, value as string]));
}

export function parseProcessor(text: string): Facts["processor"] {
  const field = (name: string): string => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(text)?.[1] ?? "";
  return { model: field("model name"), flags: new Set(field("flags").split(" ")) };
}

/** Whether the file system that a path lies on is mounted noexec, by the lines of /proc/self/mountinfo. */
export function isNoexec(path: string, mountinfo: string): boolean {
  let best = "";
  let options = "";
  for (const line of mountinfo.split("\n")) {
    const [, , , , point = "", mountOptions = ""] = line.split(" ");
    const unescaped = point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    const holds = unescaped === "/" || path === unescaped || path.startsWith(`${unescaped}/`);
    // Of two mounts on one point the later one counts.
    if (point !== "" && holds && unescaped.length >= best.length) [best, options] = [unescaped, mountOptions];
  }
  return options.split(",").includes("noexec");
}

function findCommand(name: string, path: string): string | null {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  return null;
}

function selinux(): Facts["selinux"] {
  const enforce = textOf("/sys/fs/selinux/enforce");
  if (enforce === null) return "off";
  return enforce === "1" ? "enforcing" : "permissive";
}

/** A process's end in words, or null when it ended with status 0. */
function failureOf({ status, signal, error, stderr }: ReturnType<typeof spawnText>): string | null {
  if (error !== undefined) return error.message;
  if (signal !== null) return `it was ended by ${signal}`;
  const said = stderr.trim().split("\n")[0];
  return status === 0 ? null : `status ${status}${said === "" ? "" : `: ${said}`}`;
}

function spawnText(file: string, args: readonly string[], argv0 = file) {
  return spawnSync(file, args, { encoding: "utf8", argv0, timeout: 60_000 });
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

function timeOf(file: string, args: readonly string[]): number {
  const start = performance.now();
  spawnText(file, args);
  return performance.now() - start;
}

function tryRun(launcher: string): Run {
  const result = spawnText(launcher, ["run", "--stats=json", "--", "true"]);
  const failure = failureOf(result);
  if (failure !== null) return { failure };
  const end = result.stderr.split("\n").find((line) => line.includes('"end"'));
  if (end === undefined) return { failure: `no statistics but ${JSON.stringify(result.stderr.slice(0, 200))}` };
  const { sites, patched } = JSON.parse(end) as { sites: number; patched: number };
  const times = Array.from({ length: ROUNDS }, () => [timeOf(launcher, ["run", "--", "true"]), timeOf("true", [])]);
  const [milliseconds, nativeMilliseconds] = [0, 1].map((column) => median(times.map((row) => row[column] as number)));
  return {
    failure: null,
    milliseconds: milliseconds as number,
    nativeMilliseconds: nativeMilliseconds as number,
    sites,
    patched,
  };
}

/** The cache as a command would open it, which makes the folder where there is none. */
function tryCache(mountinfo: string): Facts["cache"] {
  const folder = cacheFolder();
  try {
    const real = claimFolder(folder);
    accessSync(real, constants.W_OK);
    return { folder, failure: null, isNoexec: isNoexec(real, mountinfo) };
  } catch (error) {
    return { folder, failure: (error as Error).message, isNoexec: false };
  }
}

function installationState(root: string): Facts["installation"] {
  const { launcher, hash } = productsOf(root);
  if (!existsSync(launcher)) return "missing";
  return isIntact(launcher, hash) ? "intact" : "changed";
}

/** Looks at this machine, and at the installation under `root`. */
export async function gatherFacts(root: string): Promise<Facts> {
  const mountinfo = textOf("/proc/self/mountinfo") ?? "";
  const installation = installationState(root);
  let probe = new Map<string, number>();
  let probeFailure: string | null = null;
  let run: Run;
  try {
    const launcher = await findLauncher(root, () => {});
    const answers = spawnText(launcher, [], "flicker-probe");
    probe = parseProbe(answers.stdout);
    probeFailure = failureOf(answers);
    run = tryRun(launcher);
  } catch (error) {
    probeFailure = (error as Error).message;
    run = { failure: probeFailure };
  }
  const path = process.env["PATH"] ?? "";
  return {
    architecture: process.arch,
    processor: parseProcessor(textOf("/proc/cpuinfo") ?? ""),
    kernelRelease: release(),
    nodeVersion: process.versions.node,
    probe,
    probeFailure,
    limits: parseLimits(textOf("/proc/self/limits") ?? ""),
    sysctl: new Map(
      SYSCTL_NAMES.flatMap((name) => {
        const value = textOf(`/proc/sys/${name.replaceAll(".", "/")}`);
        return value === null ? [] : [[name, value]];
      }),
    ),
    status: parseStatus(textOf("/proc/self/status") ?? ""),
    isRoot: process.geteuid?.() === 0,
    environment: process.env,
    selinux: selinux(),
    installation,
    installationFolder: root,
    installationIsNoexec: isNoexec(dirname(realpathSync(join(root, "package.json"))), mountinfo),
    cache: tryCache(mountinfo),
    run,
    commands: new Map(COMMANDS.map((name) => [name, findCommand(name, path)])),
  };
}
