// The same faults by strace: a program fails in the same way. strace counts for each thread and each call of a list, which for
// programs without threads and a single call is what `flicker fault` does.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-fault-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const environment = {
  ...{ PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: "/", LC_ALL: "C" },
  XDG_CACHE_HOME: join(tmpdir(), `flicker-test-hooks-${userInfo().uid}`),
};

const cases: readonly (readonly [rule: string, command: readonly string[]])[] = [
  ["openat:error=EACCES:when=3", ["cat", "/etc/passwd", "f"]],
  ["openat:error=ENOENT:when=2", ["cat", "f"]],
  ["openat:error=EMFILE:when=3+2", ["cat", "f", "f", "f", "f"]],
  ["openat:error=ENOENT:when=1", ["true"]],
  ["mmap:error=ENOMEM:when=1", ["true"]],
  ["mmap:error=ENOMEM:when=3", ["true"]],
  ["mmap:error=ENOMEM:when=9+", ["ls", "d"]],
  ["mprotect:error=EACCES:when=2", ["true"]],
  ["arch_prctl:error=EINVAL", ["true"]],
  ["set_tid_address:retval=5", ["true"]],
  ["brk:error=ENOMEM", ["sh", "-c", "echo a"]],
  ["munmap:error=EINVAL", ["ls", "d"]],
  ["read:error=EIO:when=2", ["cat", "f"]],
  ["read:retval=0:when=2", ["wc", "f"]],
  ["write:error=ENOSPC", ["echo", "hi"]],
  ["write:retval=1:when=1", ["echo", "hi"]],
  ["close:error=EBADF:when=1..20+3", ["cat", "f"]],
  ["getdents64:error=EIO", ["ls", "d"]],
  ["statx:error=EACCES:when=2..9", ["ls", "-l", "d"]],
  ["unlinkat:error=EPERM", ["rm", "f"]],
  ["renameat2,rename:error=EXDEV", ["mv", "f", "m"]],
  ["clone,vfork,fork,clone3:error=EAGAIN", ["sh", "-c", "/bin/true; echo $?"]],
  ["execve:error=E2BIG:when=2", ["sh", "-c", "ls; echo $?; exec cat f"]],
  ["execve:error=EACCES:when=1", ["sh", "-c", "ls; echo $?"]],
  ["pipe2,pipe:error=EMFILE", ["sh", "-c", "echo a | cat"]],
  ["dup2:error=EBADF", ["sh", "-c", "echo a > g; cat g"]],
  ["rt_sigaction:error=EINVAL", ["bash", "-c", "trap : USR1; echo here; kill -USR1 $$; echo there"]],
  ["openat:signal=USR1:when=3", ["cat", "/etc/passwd", "f"]],
  ["getdents64:signal=kill", ["ls", "d"]],
  ["openat:signal=SIGWINCH:error=ENOENT:when=3", ["cat", "f", "d"]],
  ["write:signal=12:when=1+2", ["bash", "-c", "trap 'echo trapped' USR2; echo a; echo b; echo c"]],
  ["read:signal=USR1", ["bash", "-c", "trap 'echo trapped' USR1; read -r line < f; echo $line"]],
  ["rt_sigprocmask:error=EINVAL:when=2+", ["bash", "-c", "(echo a); /bin/echo b"]],
];

for (const [rule, command] of cases) {
  test(`${rule} -- ${command.join(" ")}`, () => {
    const run = (tool: string, args: readonly string[]): unknown[] => {
      rmSync(join(folder, "m"), { force: true });
      writeFileSync(join(folder, "f"), "one\ntwo\n");
      mkdirSync(join(folder, "d/x"), { recursive: true });
      const { status, signal, stdout, stderr } = spawnSync(tool, [...args, ...command], {
        ...{ encoding: "utf8", cwd: folder, env: environment, timeout: 60_000 },
      });
      return [status, signal, stdout, stderr];
    };
    const strace = run("strace", ["-f", "-qq", "-o", "/dev/null", "-e", `inject=${rule}`, "--"]);
    const flicker = run(join(packageRoot, "dist/launcher"), ["fault", "-o", "/dev/null", rule, "--"]);
    assert.deepEqual(flicker, strace);
  });
}
