// strace, itself not under Flicker, on a program that is: what the program asks of the kernel is what it asks natively, and a
// program that strace attaches to and leaves does not notice.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

const skip = isNativeStandIn() && "the native stand-in is no launcher";
const temporary = mkdtempSync(join(tmpdir(), "flicker-strace-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

// Calls that the engine does not make itself, so that all of them are the program's.
const programsCalls =
  "trace=write,chdir,pipe,pipe2,dup2,socket,bind,getdents64,unlink,rename,nanosleep,clock_nanosleep,kill,umask";

const work = `umask 27; cd /; echo one | { read x; echo "got $x"; }; ls /usr > /dev/null; kill -USR1 $$ 2> /dev/null`;

/** The calls of each process, in an order that does not depend on process ids. */
function callsOf(command: readonly string[]): string[] {
  const directory = mkdtempSync(join(temporary, "traces-"));
  const trace = join(directory, "trace");
  const result = spawnSync("strace", ["-ff", "-qq", "-s", "20", "-o", trace, "-e", programsCalls, ...command]);
  assert.equal(result.signal, "SIGUSR1"); // strace ends as its program does
  return readdirSync(directory)
    .map((name) => readFileSync(join(directory, name), "utf8"))
    .map((calls) => calls.replace(/^--- SIGCHLD .*\n/gm, "")) // comes whenever the child has ended
    .map((calls) =>
      calls
        .replace(/kill\(\d+/g, "kill(PID")
        .replace(/si_pid=\d+/g, "si_pid=PID")
        .replace(/0x[0-9a-f]+/g, "ADDRESS"),
    )
    .sort();
}

test("a shell's pipe, directories, a signal: the same calls", { skip }, async () => {
  const native = callsOf(["sh", "-c", work]);
  assert.deepEqual(callsOf([await launcherPath(), "run", "--", "sh", "-c", work]), native);
  assert.ok(native.length >= 3);
});

test("attached and gone again", { skip }, async () => {
  const program = spawn(
    await launcherPath(),
    ["run", "--", "sh", "-c", "while [ ! -e enough ]; do (exit 3); done; exit 4"],
    {
      cwd: temporary,
      stdio: "ignore",
    },
  );
  const end = new Promise<number | null>((resolve) => program.on("close", resolve));
  for (let round = 0; round < 5; round++) {
    const strace = spawn("strace", ["-f", "-q", "-o", "|head -n 200", "-p", String(program.pid)], {
      cwd: temporary,
      stdio: ["ignore", "ignore", "ignore"],
    });
    await new Promise((resolve) => strace.on("close", resolve)); // by SIGPIPE: in the middle, without a word
  }
  execFileSync("touch", [join(temporary, "enough")]);
  assert.equal(await end, 4);
});
