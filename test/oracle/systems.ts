// Software of several processes that leans on the kernel: servers that fork, restart and recover, sandboxes, terminals, whole builds, a
// browser, another project's own tests. Those that take minutes are `long`.
import { join } from "node:path";
import { buildProgram, programsDirectory } from "../support/build-program.js";
import { copyProgram } from "../support/copy-program.js";
import type { Scenario } from "./differential.js";
import { writeFreePort } from "./free-port.js";

const script = (name: string): string => join(programsDirectory, "scripts", name);

/** Python's own tests, a scenario for each module. Left out are those that need a network or a desktop, or measure times. */
const pythonModules = [
  "test_asyncio",
  "test_cmd_line",
  "test_ctypes",
  "test_epoll",
  "test_eintr",
  "test_fcntl",
  "test_fork1",
  "test_io",
  "test_mmap",
  "test_multiprocessing_fork",
  "test_multiprocessing_forkserver",
  "test_multiprocessing_spawn",
  "test_os",
  "test_posix",
  "test_pty",
  "test_resource",
  "test_select",
  "test_signal",
  "test_socket",
  "test_subprocess",
  "test_sys",
  "test_thread",
  "test_threading",
  "test_wait3",
  "test_wait4",
];

export const systems: Scenario[] = [
  {
    name: "postgresql",
    command: ["bash", script("postgresql.sh")],
    normalise: (text) => text.replace(/PID \d+/g, "PID"),
    processes: { bash: 1, unshare: 1, initdb: 1, postgres: 4, pgbench: 2, psql: 8, pg_ctl: 1 },
  },
  {
    name: "sshd",
    command: ["bash", script("sshd.sh")],
    prepare: writeFreePort,
    processes: { bash: 8, sshd: 8, ssh: 12, sftp: 1, scp: 1, "sftp-server": 2, "ssh-keygen": 3 },
  },
  {
    // What is executed in a new root is not in the statistics, whose file is out of reach there.
    name: "bubblewrap",
    command: ["bash", script("bubblewrap.sh")],
    processes: { bash: 1, bwrap: 9, cat: 1 },
  },
  {
    name: "nginx, upgraded",
    command: ["bash", script("nginx-upgrade.sh")],
    prepare: writeFreePort,
    processes: { bash: 1, nginx: 2, curl: 8, pgrep: 1 },
  },
  {
    name: "script, on terminals of its own",
    command: ["bash", script("script.sh")],
    normalise: (text) => text.replace(/^Script started.*\n/gm, ""),
    processes: { bash: 1, script: 7, scriptreplay: 1, "python3.11": 1 },
  },
  {
    // What strace and gdb attach to is not theirs to be executed: they and it run under Flicker alike.
    name: "strace and gdb, attached",
    command: ["bash", script("attached.sh")],
    processes: { bash: 1, strace: 4, gdb: 4, "python3.11": 1 },
  },
  {
    name: "redis under load",
    command: ["bash", script("redis-load.sh")],
    processes: { bash: 1, "redis-check-rdb": 5, "redis-benchmark": 1 },
  },
  {
    name: "git, between repositories",
    command: ["bash", script("git-remote.sh")],
    processes: { bash: 1, git: 100, dash: 4 },
  },
  {
    name: "go, in a storm of signals",
    command: ["./storm"],
    prepare: async (directory) => copyProgram(await buildProgram("storm.go", "go"), join(directory, "storm")),
    nativeStatus: "exit 6",
    processes: { storm: 1, dash: 13, tr: 12 },
  },
  {
    name: "libiberty, built and tested",
    command: ["bash", script("libiberty.sh")],
    processes: { cc1: 200, make: 4 },
    long: true,
  },
  {
    name: "big trees",
    command: ["bash", script("big-trees.sh")],
    processes: { tar: 4, rsync: 2, cksum: 100 },
    long: true,
  },
  {
    name: "chromium, in its sandbox",
    command: ["bash", script("chromium.sh")],
    processes: { chromium: 3, chrome_crashpad_handler: 1 },
    long: true,
  },
  ...pythonModules.map((module): Scenario => ({
    name: `python's own ${module}`,
    command: ["bash", script("python-suite.sh"), module],
    nativeStatus: null,
    processes: { "python3.11": 1 },
    long: true,
  })),
];
