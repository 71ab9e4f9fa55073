// The processes that a test started, found in /proc: those of its session, and those that carry its mark in their
// environment (a daemon or a terminal's shell makes a session of its own).
import { readdirSync, readFileSync } from "node:fs";

/** A variable that every process of a run inherits. */
export const markVariable = "FLICKER_ORACLE_RUN";

export function processesOf(session: number, mark: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const fields = statFields(`/proc/${pid}/stat`);
    if (!fields) continue;
    // A zombie waits for its parent; a process without memory is past its end and only not yet off the list.
    const hasEnded = fields.state === "Z" || fields.state === "X" || fields.virtualSize === 0;
    if (hasEnded) continue;
    if (fields.session === session || read(`/proc/${pid}/environ`).split("\0").includes(`${markVariable}=${mark}`))
      found.push(pid);
  }
  return found;
}

/** What each thread of the processes is doing: for the report of a hang. */
export function describeProcesses(pids: number[]): string {
  return pids.map(describeProcess).join("\n") || "(no process is left)";
}

function describeProcess(pid: number): string {
  const lines = [`process ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()}`];
  let threads: string[] = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    // It ended meanwhile.
  }
  for (const thread of threads) {
    const base = `/proc/${pid}/task/${thread}`;
    const status = read(`${base}/status`);
    const masks = status.match(/^Sig\w+:.*$|^ShdPnd:.*$/gm)?.map((line) => line.replace(/:\s+/, "=")) ?? [];
    lines.push(
      `  thread ${thread} ${read(`${base}/comm`).trim()}: state ${statFields(`${base}/stat`)?.state ?? "?"}, ` +
        `wchan ${read(`${base}/wchan`) || "-"}, syscall ${read(`${base}/syscall`).trim() || "-"}`,
      `    ${masks.join(" ")}`,
    );
  }
  return lines.join("\n");
}

/** Kills them all, and those that they start meanwhile. */
export function killProcesses(session: number, mark: string): void {
  for (;;) {
    const pids = processesOf(session, mark);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended meanwhile.
      }
    }
  }
}

function statFields(path: string): { state: string; session: number; virtualSize: number } | null {
  const text = read(path);
  if (!text) return null;
  // The name may hold blanks and brackets: fields count from the last bracket. proc_pid_stat(5).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "?", session: Number(fields[3]), virtualSize: Number(fields[20]) };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
