// Each row of `flicker doctor` on machines that are not this one: Debian 12 and 13 as they are, and what can be wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CHECKS,
  examine,
  inDebian,
  parseVersion,
  type Level,
  type NamedFinding,
} from "../../../src/host/doctor/checks.js";
import type { Facts } from "../../../src/host/doctor/facts.js";

/** A machine on which everything is right. */
const GOOD: Facts = {
  architecture: "x64",
  processor: { model: "AMD EPYC", flags: new Set(["lahf_lm", "fsgsbase", "avx512f"]) },
  kernelRelease: "6.14.0",
  nodeVersion: "20.19.2",
  probe: new Map([
    ["hwcap2", 2],
    ["signalFrame", 3376],
    ["xstate", 2432],
    ["access", 0],
    ["anonymousCode", 0],
    ["changedCode", 0],
    ["sharedView", 0],
    ["memoryMap", 0],
    ["executeCheck", 0],
    ["membarrier", 1023],
    ["syscallUserDispatch", 0],
    ["clone3", -22],
    ["rseq", -22],
    ["shadowStack", -22],
  ]),
  probeFailure: null,
  limits: new Map([
    ["address space", Infinity],
    ["stack size", 8 * 2 ** 20],
    ["processes", 30_000],
    ["file size", Infinity],
  ]),
  sysctl: new Map([
    ["vm.max_map_count", "65530"],
    ["vm.overcommit_memory", "0"],
    ["vm.mmap_min_addr", "65536"],
    ["vm.memfd_noexec", "0"],
    ["kernel.randomize_va_space", "2"],
    ["kernel.yama.ptrace_scope", "0"],
    ["kernel.perf_event_paranoid", "2"],
  ]),
  status: new Map([["Seccomp", "0"]]),
  isRoot: false,
  environment: {},
  selinux: "off",
  installation: "intact",
  installationFolder: "/opt/flicker",
  installationIsNoexec: false,
  cache: { folder: "/home/u/.cache/flicker", failure: null, isNoexec: false },
  run: { failure: null, milliseconds: 4, nativeMilliseconds: 2, sites: 577, patched: 577 },
  commands: new Map([
    ["gdb", "/usr/bin/gdb"],
    ["perf", "/usr/bin/perf"],
  ]),
};

const withProbe = (fact: string, value: number): Partial<Facts> => ({ probe: new Map([...GOOD.probe, [fact, value]]) });
const withSysctl = (name: string, value: string): Partial<Facts> => ({
  sysctl: new Map([...GOOD.sysctl, [name, value]]),
});
const withLimit = (name: string, value: number): Partial<Facts> => ({
  limits: new Map([...GOOD.limits, [name, value]]),
});
const withCommand = (name: string): Partial<Facts> => ({ commands: new Map([...GOOD.commands, [name, null]]) });
const withCache = (cache: Partial<Facts["cache"]>): Partial<Facts> => ({ cache: { ...GOOD.cache, ...cache } });

/** Row; what is different; what the row then says: its level, and a part of what it found, cost or remedy. */
const BAD: readonly [name: string, facts: Partial<Facts>, level: Level, says: RegExp][] = [
  ["AMD64", { architecture: "arm64" }, "problem", /arm64/],
  ["SAHF", { processor: { model: "old", flags: new Set() } }, "problem", /64-bit mode/],
  ["FSGSBASE", withProbe("hwcap2", 0), "note", /Linux 5\.9 without nofsgsbase; Debian 12 \(6\.1\) and 13/],
  [
    "FSGSBASE",
    { ...withProbe("hwcap2", 0), processor: { model: "old", flags: new Set() } },
    "note",
    /the processor has none.*Ivy Bridge/,
  ],
  ["xstate", withProbe("xstate", 0x4000), "problem", /16384 bytes/],
  ["shadow stack", withProbe("shadowStack", 1), "note", /^on.*first signal/],
  [
    "shadow stack",
    {
      processor: { model: "new", flags: new Set(["fsgsbase", "user_shstk"]) },
      environment: { GLIBC_TUNABLES: "glibc.malloc.check=1:glibc.cpu.x86_shstk=on" },
    },
    "note",
    /GLIBC_TUNABLES/,
  ],
  ["Linux", { kernelRelease: "4.19.0-27-amd64" }, "note", /4\.19.*5\.9/],
  ["new code", withProbe("anonymousCode", -13), "problem", /EACCES.*MemoryDenyWriteExecute/],
  ["new code", { ...withProbe("anonymousCode", -13), selinux: "enforcing" }, "problem", /deny_execmem/],
  ["changed code", { ...withProbe("changedCode", -13), selinux: "enforcing" }, "problem", /execmod/],
  ["faccessat2", withProbe("access", -1), "problem", /EPERM.*seccomp/],
  ["shared views", withProbe("sharedView", -22), "note", /no system call is patched/],
  ["PR_SET_MM_MAP", withProbe("memoryMap", -1), "note", /brk.*CONFIG_CHECKPOINT_RESTORE/],
  [
    "AT_EXECVE_CHECK",
    { ...withProbe("executeCheck", -22), kernelRelease: "6.12.48+deb13-amd64" },
    "note",
    /ETXTBSY.*needs Linux 6\.14; Debian 12 \(6\.1\) and 13 \(6\.12\) do not have it/,
  ],
  ["membarrier", withProbe("membarrier", 31), "note", /not there/],
  ["membarrier", withProbe("membarrier", -38), "note", /ENOSYS/],
  [
    "user dispatch",
    { ...withProbe("syscallUserDispatch", -22), kernelRelease: "5.10.0-32-amd64" },
    "note",
    /needs Linux 5\.11; Debian 12 \(6\.1\) and 13 \(6\.12\) have it/,
  ],
  ["clone3", withProbe("clone3", -38), "note", /ENOSYS.*seccomp/],
  ["rseq", withProbe("rseq", -38), "note", /CONFIG_RSEQ/],
  ["address space", withLimit("address space", 2 ** 26), "note", /64 MiB.*ulimit -v/],
  ["stack", withLimit("stack size", 2 ** 17), "note", /128 KiB.*ulimit -s/],
  ["processes", withLimit("processes", 10), "note", /10.*ulimit -u/],
  ["file size", withLimit("file size", 1024), "note", /1 KiB.*SIGXFSZ/],
  ["vm.max_map_count", withSysctl("vm.max_map_count", "1000"), "note", /1000.*65530/],
  ["vm.overcommit_memory", withSysctl("vm.overcommit_memory", "2"), "note", /strict.*40 MiB/],
  ["vm.mmap_min_addr", withSysctl("vm.mmap_min_addr", "0"), "note", /65536/],
  ["address randomisation", withSysctl("kernel.randomize_va_space", "0"), "note", /^off/],
  ["address randomisation", withSysctl("kernel.randomize_va_space", "1"), "note", /brk/],
  [
    "seccomp",
    {
      status: new Map([
        ["Seccomp", "2"],
        ["Seccomp_filters", "1"],
      ]),
    },
    "note",
    /^1 filter \(mode 2\).*seccomp=unconfined/,
  ],
  ["ptrace", withSysctl("kernel.yama.ptrace_scope", "1"), "note", /gdb -p/],
  ["ptrace", { ...withSysctl("kernel.yama.ptrace_scope", "3"), isRoot: true }, "note", /next boot/],
  ["perf events", withSysctl("kernel.perf_event_paranoid", "3"), "note", /Debian 12 and 13 start with 3/],
  ["perf events", { sysctl: new Map() }, "note", /CONFIG_PERF_EVENTS/],
  ["Node", { nodeVersion: "18.20.4" }, "note", /Node 20/],
  ["launcher", { installation: "missing" }, "note", /npm ci in \/opt\/flicker/],
  ["launcher", { installation: "changed" }, "problem", /npm run build/],
  ["launcher", { installationIsNoexec: true }, "problem", /noexec/],
  ["cache", withCache({ failure: "another user can write to /home" }), "note", /another user.*temporary/],
  ["cache", withCache({ isNoexec: true }), "note", /noexec.*XDG_CACHE_HOME/],
  ["flicker run true", { run: { failure: "it was ended by SIGSYS" } }, "problem", /SIGSYS.*troubleshooting/],
  ["patched sites", { run: { ...GOOD.run, patched: 500 } as Facts["run"] }, "note", /500 of 577/],
  ["patched sites", { run: { failure: "status 125" } }, "note", /not known/],
  ["gdb", withCommand("gdb"), "note", /apt install gdb/],
  ["perf", withCommand("perf"), "note", /apt install linux-perf/],
];
/** Rows that say what is there and find nothing wrong with it. */
const NEVER_BAD = ["LA57", "vm.memfd_noexec"];

const textOf = ({ found, cost, remedy }: NamedFinding): string => [found, cost, remedy].join(" ");

function findingOf(name: string, facts: Partial<Facts>): NamedFinding {
  const finding = examine({ ...GOOD, ...facts }).find((row) => row.name === name);
  assert.ok(finding, `there is no row ${name}`);
  return finding;
}

test("a machine on which everything is right has no notes", () => {
  for (const { name, level, cost } of examine(GOOD)) assert.deepEqual([name, level, cost], [name, "ok", undefined]);
});

for (const [name, facts, level, says] of BAD) {
  test(`${name}: ${level}, ${says.source}`, () => {
    const finding = findingOf(name, facts);
    assert.equal(finding.level, level);
    assert.match(textOf(finding), says);
    assert.ok(finding.cost && finding.remedy, "what it costs, and how to get it");
  });
}

test("each row is tested on its bad side", () => {
  const tested = new Set([...BAD.map(([name]) => name), ...NEVER_BAD]);
  assert.deepEqual(
    CHECKS.map(({ name }) => name).filter((name) => !tested.has(name)),
    [],
  );
});

test("answers that a filter cut off are said to be missing, and the others count", () => {
  const probe = new Map([...GOOD.probe].slice(0, 7));
  const findings = examine({ ...GOOD, probe, probeFailure: "it was ended by SIGSYS" });
  const levels = new Map(findings.map(({ name, level, cost }) => [name, [level, cost] as const]));
  assert.equal(levels.get("shared views")?.[0], "ok");
  assert.equal(levels.get("PR_SET_MM_MAP")?.[0], "note");
  assert.match(levels.get("rseq")?.[1] ?? "", /SIGSYS/);
});

test("Debian's kernels", () => {
  assert.equal(inDebian([6, 1]), "Debian 12 (6.1) and 13 (6.12) have it");
  assert.equal(inDebian([6, 6]), "Debian 13 (6.12) has it, 12 (6.1) does not");
  assert.equal(inDebian([6, 14]), "Debian 12 (6.1) and 13 (6.12) do not have it");
  assert.deepEqual(parseVersion("6.12.48+deb13-amd64"), [6, 12]);
});

test("Debian 12 and 13 run programs: their notes", () => {
  const notes = (kernelRelease: string): string[] =>
    examine({
      ...GOOD,
      kernelRelease,
      ...withProbe("executeCheck", -22),
      ...withSysctl("kernel.perf_event_paranoid", "3"),
    })
      .filter(({ level }) => level !== "ok")
      .map(({ name }) => name);
  for (const release of ["6.1.0-40-amd64", "6.12.48+deb13-amd64"]) {
    assert.deepEqual(notes(release), ["AT_EXECVE_CHECK", "perf events"], release);
  }
});
