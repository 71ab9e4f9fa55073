// What strace says of ordinary commands is what src/trace says of them, line by line. Both see the same command on the same
// files, in two runs: addresses, processes, times and random numbers are masked (oracle.ts).

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { LineWriter } from "../../src/trace/lines.js";
import { type TraceEvent } from "../../src/trace/event.js";
import { commands, network } from "./commands.js";
import { buildRecorder, masked } from "./oracle.js";

process.env["TZ"] = "UTC"; // the time zone that the commands and strace run in
const recorder = buildRecorder();
after(() => recorder.remove());

function linesOf(events: readonly TraceEvent[], isVerbose: boolean): string[] {
  const writer = new LineWriter({
    textLimit: 32,
    isVerbose,
    withPaths: false,
    pidStyle: "none",
    timeFormat: "none",
    withDuration: false,
    resultColumn: 40,
  });
  // Without -f strace shows the first process alone.
  const first = events.filter((event) => event.tid === events[0]!.tid);
  return (first.map((event) => writer.write(event)).join("") + writer.finish()).split("\n").map(masked);
}

for (const [command, input] of commands) {
  const name = `${command.slice(0, 3).join(" ").split("\n")[0]!.slice(0, 60)}${command[3] === network ? " (sockets)" : ""}`;
  test(name, () => {
    const events = recorder.record(command, 32, input);
    assert.deepEqual(linesOf(events, false), recorder.strace([], command, input).split("\n").map(masked));
  });
}

test("structs, environments and directories in full (-v)", () => {
  for (const command of [
    ["ls", "-l", "/usr/share/doc/bash"],
    ["stat", "/etc/passwd"],
    [
      "python3",
      "-S",
      "-c",
      "import os; os.stat('/etc/passwd'); os.stat('/dev/null'); os.listdir('/etc/skel'); os.uname()",
    ],
  ]) {
    const events = recorder.record(command);
    assert.deepEqual(linesOf(events, true), recorder.strace(["-v"], command).split("\n").map(masked));
  }
});
