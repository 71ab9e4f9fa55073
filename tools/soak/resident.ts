// One server of the soak, natively or under Flicker: it is started, made to work step by step, measured, and stopped.
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { familyOf, measure, type Sample } from "./measurements.js";
import type { Server } from "./servers.js";

export type Side = "native" | "flicker";

export interface Residence {
  name: string;
  side: Side;
  steps: number;
  failures: string[];
  samples: Sample[];
}

const pauseMs = 500;
const stopMs = 60_000;

/** Keeps a server at work until `mayGoOn` says no; what it writes stays in `directory`. */
export async function reside(
  server: Server,
  side: Side,
  launcher: string,
  directory: string,
  sampleMs: number,
  mayGoOn: () => boolean,
): Promise<Residence> {
  const residence: Residence = { name: server.name, side, steps: 0, failures: [], samples: [] };
  const fail = (what: string): void => void residence.failures.push(`${server.name}, ${side}: ${what}`);
  await mkdir(directory, { recursive: true });
  const environment = { ...process.env, PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8", HOME: directory };
  const shell = (text: string, variables: Record<string, string> = {}): Promise<{ status: string; output: string }> =>
    runShell(text, directory, { ...environment, ...variables });

  if (server.prepare) {
    const { status, output } = await shell(server.prepare);
    if (status !== "exit 0") return (fail(`preparation: ${status}\n${output}`), residence);
  }
  const command = side === "native" ? server.command : [launcher, "run", "--", ...server.command];
  const log = openSync(join(directory, "output"), "w");
  const child = spawn(command[0], command.slice(1), {
    cwd: directory,
    env: environment,
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  let end: string | null = null;
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve((end = `not started: ${error.message}`)));
    child.on("exit", (code, signal) => resolve((end = signal ? `signal ${signal}` : `exit ${code}`)));
  });
  const pid = child.pid ?? -1;

  while (end === null && (await shell(server.ready)).status !== "exit 0") await pause(pauseMs);
  const start = Date.now();
  let sampled = -Infinity;
  while (end === null && mayGoOn()) {
    const { status, output } = await shell(server.step, { SERVER: String(pid) });
    residence.steps++;
    if (status !== "exit 0" || output !== "") fail(`step ${residence.steps}: ${status}\n${output}`);
    await pause(pauseMs);
    if (Date.now() - sampled >= sampleMs && end === null) {
      sampled = Date.now();
      residence.samples.push(measure(familyOf(pid), (sampled - start) / 1000));
    }
  }
  if (end !== null) {
    fail(`ended by itself: ${end}\n${await readFile(join(directory, "output"), "utf8")}`);
    return residence;
  }
  const family = familyOf(pid);
  process.kill(pid, server.stop);
  const how = await Promise.race([ended, pause(stopMs).then(() => `no end within ${stopMs} ms`)]);
  if (how !== server.end) fail(`stopped: ${how} where ${server.end} is right`);
  for (const left of family) {
    try {
      process.kill(left, "SIGKILL");
    } catch {
      // It has ended, as it should.
    }
  }
  return residence;
}

function runShell(
  text: string,
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<{ status: string; output: string }> {
  return new Promise((resolve) => {
    const child = spawn("bash", ["-c", text], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
    child.on("error", (error) => resolve({ status: error.message, output }));
    child.on("close", (code, signal) => resolve({ status: signal ? `signal ${signal}` : `exit ${code}`, output }));
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
