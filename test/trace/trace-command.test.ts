// `flicker trace` itself beside strace: the same commands on the same files, line by line (commands.test.ts compares what is said,
// of events of a recorder in C; this has the hook, the ring and the command in it).

import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { tmpdir, userInfo } from "node:os";
import { after, test } from "node:test";
import { commands, network } from "./commands.js";
import { buildRecorder, masked } from "./oracle.js";

const cache = join(tmpdir(), `flicker-test-hooks-${userInfo().uid}`);
const PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;
const recorder = buildRecorder({ XDG_CACHE_HOME: cache, PATH });
after(() => recorder.remove());

/**
 * Without what is Flicker's memory in /proc/self/maps, and the buffer that a program needs to read that; where its heap begins decides
 * when it grows.
 */
function linesOf(text: string): string[] {
  const lines: string[] = [];
  let isInMaps = false;
  for (const line of text.split("\n")) {
    if (/^openat\(.*"\/proc\/self\/maps"/.test(line)) isInMaps = true;
    if (/^(?!openat|read|lseek|mmap|munmap|close|fstat|newfstatat|fcntl)/.test(line)) isInMaps = false;
    if (!isInMaps && !/^brk\(0x/.test(line)) lines.push(masked(line));
  }
  return lines;
}

for (const [command, input] of commands) {
  const name = `${command.slice(0, 3).join(" ").split("\n")[0]!.slice(0, 60)}${command[3] === network ? " (sockets)" : ""}`;
  test(name, () => {
    assert.deepEqual(linesOf(recorder.flicker([], command, input)), linesOf(recorder.strace([], command, input)));
  });
}
