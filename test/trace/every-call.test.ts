// Every call that strace knows, with arguments that nobody would pass: each is refused by a filter (every-call.c), and is said as
// strace says it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { signatures } from "../../src/kernel-interface/signature.js";
import { LineWriter } from "../../src/trace/lines.js";
import { buildRecorder } from "./oracle.js";

const directory = mkdtempSync(join(tmpdir(), "flicker-every-call-"));
const program = join(directory, "every-call");
execFileSync("gcc", ["-O1", "-Wall", "-o", program, fileURLToPath(new URL("every-call.c", import.meta.url))]);
const recorder = buildRecorder();
after(() => {
  recorder.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** The last call that strace 6.1 knows. */
const LAST_KNOWN = 450;

/** Calls that are said otherwise, and why. */
const exceptions: Record<string, string> = {
  ...Object.fromEntries(
    (
      "uselib _sysctl create_module get_kernel_syms query_module nfsservctl getpmsg putpmsg afs_syscall tuxcall security " +
      "set_thread_area get_thread_area lookup_dcookie epoll_ctl_old epoll_wait_old vserver"
    )
      .split(" ")
      .map((name) => [name, "the kernel has no such call, and it no arguments"]),
  ),
  ...Object.fromEntries(
    (
      "io_submit io_cancel perf_event_open name_to_handle_at open_by_handle_at io_uring_setup io_uring_register " +
      "io_uring_enter bpf shmctl semctl msgctl fsconfig"
    )
      .split(" ")
      .map((name) => [name, "only the address of the struct is said"]),
  ),
  rt_sigreturn: "the mask is in the frame, to which no argument points",
  restart_syscall: "strace says what it was that is restarted",
  keyctl: "the arguments of each operation are numbers",
  ptrace: "the arguments are said whether or not the request takes them",
  kexec_load: "no architecture is said",
  socket: "protocols of rare families are numbers",
  linkat: "the flag that linkat looks at stands first",
  fanotify_mark: "-1 is no directory",
  memfd_create: "strace 6.1 does not know MFD_NOEXEC_SEAL and MFD_EXEC",
  memfd_secret: "what has no name is said with a remark, as elsewhere",
  mount: "0xc0ed in the upper half is no magic number any more",
  setsockopt: "an option of a size that it cannot have is bytes",
  setxattr: "a value is said with its last NUL",
  lsetxattr: "a value is said with its last NUL",
  fsetxattr: "a value is said with its last NUL",
  execve: "a list of strings is looked at no further than 1,024 elements",
  execveat: "a list of strings is looked at no further than 1,024 elements",
  sched_setattr: "a struct of size 0 has no further fields",
  mount_setattr: "no propagation is 0",
  landlock_create_ruleset: "a size that no kernel knows is not looked at",
  landlock_add_rule: "the rule is said whatever its type is",
  clone3: "a size that no kernel knows is not looked at",
  openat2: "a size that no kernel knows is not looked at",
  seccomp: "an action is an address",
  syslog: "a level is a number",
  sethostname: "a name that is too long is said all the same",
  setdomainname: "a name that is too long is said all the same",
  sched_setaffinity: "a set that is too large is said all the same",
};

/** Memory; every pointer; every other argument. */
const patterns = [
  ["zeros", "0", "0"],
  ["zeros", "-1", "-1"],
  ["ones", "0x10000000", "1"],
  ["zeros", "0x10000000", "2"],
  ["pattern", "0x10000000", "3"],
  ["pattern", "0x10000000", "8"],
  ["zeros", "0x10000000", "0x1ff"],
] as const;

const numbers = [...signatures.values()].filter(
  // uretprobe kills whoever is not one; restart_syscall is a line of its own kind.
  ({ number, name }) =>
    number <= LAST_KNOWN && !["uretprobe", "uprobe", "restart_syscall", "rt_sigreturn"].includes(name),
);

/** The lines of the calls that were refused, by the call's name. */
function refused(text: string): Map<string, string> {
  const lines = text.split("\n").filter((line) => line.includes(" = -1 ENOSYS"));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf("(")), line]));
}

for (const [memory, pointer, value] of patterns) {
  test(`pointers ${pointer} to ${memory}, other arguments ${value}`, () => {
    const input = numbers
      .map(({ number, arguments: parameters }) => {
        const values = [0, 1, 2, 3, 4, 5].map((index) => (parameters[index]?.direction ? pointer : value));
        return `${[number, ...values].join(" ")}\n`;
      })
      .join("");
    const events = recorder.record([program, memory], 32, input);
    const writer = new LineWriter({
      textLimit: 32,
      isVerbose: false,
      withPaths: false,
      pidStyle: "none",
      timeFormat: "none",
      withDuration: false,
      resultColumn: 40,
    });
    const ours = refused(events.map((event) => writer.write(event)).join(""));
    const theirs = refused(recorder.strace([], [program, memory], input));
    assert.ok(theirs.size > 350, `${theirs.size} calls`);
    for (const [name, line] of theirs) if (!(name in exceptions)) assert.equal(ours.get(name), line, name);
  });
}
