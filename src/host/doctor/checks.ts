// What `flicker doctor` says: one row for each thing that it looks at, a function of the facts (facts.ts).
//
// A finding is a *problem* when programs cannot run for it, and a *note* when they run but something is slower, less exact or
// missing; it then says what that costs and how to get it. The reference machines are Debian 12 and 13: a row names what
// they have where it matters.
//
// What the kernel offers are rows of their own (FEATURES): the launcher has asked for each, and when the answer is no, the
// kernel's version tells whether it is too old or something withholds it.

import type { Facts } from "./facts.js";

export type Level = "ok" | "note" | "problem";

export interface Finding {
  readonly level: Level;
  /** What is there, a few words. */
  readonly found: string;
  /** What it costs; only a note or a problem has it. */
  readonly cost?: string;
  /** How to change it. */
  readonly remedy?: string;
}

export interface Check {
  readonly topic: string;
  readonly name: string;
  readonly look: (facts: Facts) => Finding;
}

const ok = (found: string): Finding => ({ level: "ok", found });
const note = (found: string, cost: string, remedy: string): Finding => ({ level: "note", found, cost, remedy });
const problem = (found: string, cost: string, remedy: string): Finding => ({ level: "problem", found, cost, remedy });

const EPERM = -1;
const EACCES = -13;
const ENOSYS = -38;
const ERROR_NAMES = new Map([
  [EPERM, "EPERM"],
  [-12, "ENOMEM"],
  [EACCES, "EACCES"],
  [-22, "EINVAL"],
  [ENOSYS, "ENOSYS"],
]);
const errorName = (value: number): string => ERROR_NAMES.get(value) ?? `error ${-value}`;

type Version = readonly [major: number, minor: number];

/** Debian's releases and the kernels that they came with. */
const DEBIAN: readonly (readonly [release: string, kernel: Version])[] = [
  ["12", [6, 1]],
  ["13", [6, 12]],
];

export function parseVersion(release: string): Version {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(major), Number(minor)];
}

const isAtLeast = ([major, minor]: Version, [wantedMajor, wantedMinor]: Version): boolean =>
  major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);

/** "Debian 13 (6.12) has it, 12 (6.1) does not", for what came with a version. */
export function inDebian(since: Version): string {
  const name = ([release, kernel]: (typeof DEBIAN)[number]): string => `${release} (${kernel.join(".")})`;
  const having = DEBIAN.filter(([, kernel]) => isAtLeast(kernel, since)).map(name);
  const lacking = DEBIAN.filter(([, kernel]) => !isAtLeast(kernel, since)).map(name);
  if (lacking.length === 0) return `Debian ${having.join(" and ")} have it`;
  if (having.length === 0) return `Debian ${lacking.join(" and ")} do not have it`;
  return `Debian ${having.join(" and ")} has it, ${lacking.join(" and ")} does not`;
}

interface Feature {
  readonly name: string;
  /** The fact of the probe that answers. */
  readonly fact: string;
  readonly isThere: (value: number) => boolean;
  readonly since: Version;
  /** The kernel's configuration that it takes, where Debian's is not the only one. */
  readonly configuration?: string;
  readonly level: "note" | "problem";
  readonly cost: string;
}

const isSuccess = (value: number): boolean => value >= 0;
/** The kernel looked at the arguments, which make no sense. */
const isKnown = (value: number): boolean => value !== ENOSYS && value !== EPERM;
const MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 5;

export const FEATURES: readonly Feature[] = [
  {
    name: "faccessat2",
    fact: "access",
    isThere: isSuccess,
    since: [5, 8],
    level: "problem",
    cost: "Flicker asks with it whether a program may be executed: none runs without the answer",
  },
  {
    name: "shared views",
    fact: "sharedView",
    isThere: isSuccess,
    since: [4, 14],
    level: "note",
    cost: "no trampoline can be made without mremap of old size 0: programs run, and no system call is patched",
  },
  {
    name: "PR_SET_MM_MAP",
    fact: "memoryMap",
    isThere: isSuccess,
    since: [3, 18],
    configuration: "CONFIG_CHECKPOINT_RESTORE",
    level: "note",
    cost: "brk grows behind the launcher, and ps shows the launcher's arguments in front of the program's",
  },
  {
    name: "AT_EXECVE_CHECK",
    fact: "executeCheck",
    isThere: isSuccess,
    since: [6, 14],
    level: "note",
    cost: "a program file that is open for writing is run, where execve natively fails with ETXTBSY",
  },
  {
    name: "membarrier",
    fact: "membarrier",
    isThere: (value) => value >= 0 && (value & MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE) !== 0,
    since: [4, 16],
    configuration: "CONFIG_MEMBARRIER",
    level: "note",
    cost: "nothing today: code that other threads run while it is patched will need it (SYNC_CORE)",
  },
  {
    name: "user dispatch",
    fact: "syscallUserDispatch",
    isThere: isSuccess,
    since: [5, 11],
    level: "note",
    cost: "nothing today: catching the calls of doubtful sites will need Syscall User Dispatch",
  },
  {
    name: "clone3",
    fact: "clone3",
    isThere: isKnown,
    since: [5, 3],
    level: "note",
    cost: "nothing: the C libraries fall back on clone, as they do natively",
  },
  {
    name: "rseq",
    fact: "rseq",
    isThere: isKnown,
    since: [4, 18],
    configuration: "CONFIG_RSEQ",
    level: "note",
    cost: "nothing: programs do without it, as they do natively",
  },
];

/** The finding on one feature of the kernel. */
function lookForFeature(feature: Feature, facts: Facts): Finding {
  const { fact, since, configuration } = feature;
  const value = facts.probe.get(fact);
  if (value === undefined) return unanswered(facts);
  const wanted = `Linux ${since.join(".")}`;
  if (feature.isThere(value)) return ok(`there (${wanted})`);
  const found = value < 0 ? `not there (${errorName(value)})` : "not there";
  const remedy = isAtLeast(parseVersion(facts.kernelRelease), since)
    ? `this kernel is new enough (${wanted}): a container's seccomp filter withholds it` +
      (configuration === undefined ? "" : `, or it was built without ${configuration}`)
    : `needs ${wanted}; ${inDebian(since)}`;
  return { level: feature.level, found, cost: feature.cost, remedy };
}

const unanswered = ({ probeFailure }: Facts): Finding =>
  note(
    "not known",
    `the launcher did not get to ask (${probeFailure ?? "it gave no answer"})`,
    "see the findings on Flicker below; SIGSYS is a seccomp filter that kills",
  );

/** Room in the engine for a signal frame's xstate: FPSTATE_ROOM of src/engine/thread/deferred.ts. */
const XSTATE_MAX = 0x4000;
/** What the launcher maps before a program runs: `ulimit -v 40000; flicker run -- true` works. */
const ENGINE_MEMORY = 40 * 2 ** 20;
const HWCAP2_FSGSBASE = 2;

const size = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${Math.round(bytes / 2 ** 30)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
const kibibytes = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;

/** A row on a soft limit: fine when there is none, or when it is at least `minimum`. */
function limit(
  name: string,
  row: string,
  minimum: number,
  show: (value: number) => string,
  cost: string,
  option: string,
): Check {
  return {
    topic: "Limits",
    name,
    look: ({ limits }) => {
      const value = limits.get(row) ?? Infinity;
      if (value === Infinity) return ok("none");
      if (value >= minimum) return ok(show(value));
      return note(show(value), cost, `ulimit ${option} unlimited, or as much as the hard limit allows`);
    },
  };
}

/** A row on whether memory may become code. */
function code(name: string, fact: string, what: string, selinux: string): Check {
  return {
    topic: "Kernel",
    name,
    look: (facts) => {
      const value = facts.probe.get(fact);
      if (value === undefined) return unanswered(facts);
      if (value >= 0) return ok("allowed");
      const withheld =
        facts.selinux === "enforcing"
          ? `SELinux is enforcing: allow it (${selinux})`
          : "a service has it from MemoryDenyWriteExecute= of its unit (PR_SET_MDWE), else a security module forbids it";
      return problem(`refused (${errorName(value)})`, what, withheld);
    },
  };
}

/** A row on a command that a debug feature needs. */
function command(name: string, cost: string): Check {
  return {
    topic: "Flicker",
    name,
    look: ({ commands }) => {
      const path = commands.get(name) ?? null;
      const debianPackage = name === "perf" ? "linux-perf" : name;
      return path === null ? note("not in PATH", cost, `apt install ${debianPackage}`) : ok(path);
    },
  };
}

const PROCESSOR: readonly Check[] = [
  {
    topic: "Processor",
    name: "AMD64",
    look: ({ architecture, processor }) =>
      architecture === "x64"
        ? ok(processor.model === "" ? "yes" : processor.model)
        : problem(architecture, "Flicker runs native AMD64 programs only", "use an AMD64 (x86-64) machine"),
  },
  {
    topic: "Processor",
    name: "SAHF",
    look: ({ processor }) =>
      processor.flags.has("lahf_lm")
        ? ok("in 64-bit mode")
        : problem(
            "not in 64-bit mode",
            "gates restore flags by it: the first system call that the engine sees ends the program",
            "AMD and Intel since 2006; in a virtual machine, pass the host's processor through",
          ),
  },
  {
    topic: "Processor",
    name: "FSGSBASE",
    look: (facts) => {
      const hwcap2 = facts.probe.get("hwcap2");
      if (hwcap2 === undefined) return unanswered(facts);
      if ((hwcap2 & HWCAP2_FSGSBASE) !== 0) return ok("on (AT_HWCAP2)");
      const cost = "gs base is set by a system call at the start of each program and thread";
      if (!facts.processor.flags.has("fsgsbase")) {
        return note(
          "the processor has none",
          cost,
          "Intel since Ivy Bridge, AMD since Excavator and Zen; in a virtual machine, pass the host's processor through",
        );
      }
      return note("not enabled by the kernel", cost, `Linux 5.9 without nofsgsbase; ${inDebian([5, 9])}`);
    },
  },
  {
    topic: "Processor",
    name: "xstate",
    look: (facts) => {
      const bytes = facts.probe.get("xstate");
      if (bytes === undefined) return unanswered(facts);
      const wide = facts.processor.flags.has("avx512f") ? ", with AVX-512" : "";
      if (bytes < XSTATE_MAX) return ok(`${bytes} bytes${wide}`);
      return problem(
        `${bytes} bytes${wide}`,
        `the engine keeps ${XSTATE_MAX} bytes for the vector registers of a signal: the first one ends the program`,
        "switch the extension off (clearcpuid= on the kernel's command line), and report it",
      );
    },
  },
  {
    topic: "Processor",
    name: "shadow stack",
    look: ({ processor, probe, environment }) => {
      const isOffered = processor.flags.has("user_shstk");
      const isOn = (probe.get("shadowStack") ?? 0) > 0;
      const isAsked = /x86_shstk=(on|permissive)|x86_hwcaps=.*SHSTK/.test(environment["GLIBC_TUNABLES"] ?? "");
      if (!isOffered && !isOn) return ok("not offered, not needed");
      if (!isOn && !isAsked) return ok("offered, and off unless asked for");
      return note(
        isOn ? "on" : "asked for by GLIBC_TUNABLES",
        isOn
          ? "the engine does not know of shadow stacks: a program that has one can die at its first signal"
          : "programs get none under Flicker: the kernel's answer is that there are none",
        "unset GLIBC_TUNABLES, or set glibc.cpu.x86_shstk=off in it",
      );
    },
  },
  {
    topic: "Processor",
    name: "LA57",
    look: ({ processor }) =>
      ok(processor.flags.has("la57") ? "57-bit addresses, for programs that ask" : "47-bit addresses"),
  },
];

const KERNEL: readonly Check[] = [
  {
    topic: "Kernel",
    name: "Linux",
    look: ({ kernelRelease }) =>
      isAtLeast(parseVersion(kernelRelease), [5, 9])
        ? ok(kernelRelease)
        : note(kernelRelease, "Flicker was not tried on a kernel before Linux 5.9", inDebian([5, 9])),
  },
  code(
    "new code",
    "anonymousCode",
    "memory that was written cannot become code, and trampolines are that",
    "setsebool -P deny_execmem 0",
  ),
  code(
    "changed code",
    "changedCode",
    "a changed page of a file cannot become code, and patched pages are that",
    "setsebool -P selinuxuser_execmod 1",
  ),
  ...FEATURES.map((feature): Check => ({
    topic: "Kernel",
    name: feature.name,
    look: (facts) => lookForFeature(feature, facts),
  })),
];

const LIMITS: readonly Check[] = [
  limit(
    "address space",
    "address space",
    2 * ENGINE_MEMORY,
    size,
    `the engine takes about ${size(ENGINE_MEMORY)} of it: programs may run out of memory earlier than natively`,
    "-v",
  ),
  limit(
    "stack",
    "stack size",
    2 ** 20,
    kibibytes,
    "the kernel gives arguments and environment a quarter of it, and Flicker's own arguments are among them",
    "-s",
  ),
  limit(
    "processes",
    "processes",
    64,
    String,
    "programs fail to start threads and processes, as natively; Flicker itself starts none",
    "-u",
  ),
  limit(
    "file size",
    "file size",
    2 ** 20,
    kibibytes,
    "a launcher or a file of statistics that grows larger ends its writer with SIGXFSZ",
    "-f",
  ),
];

/** The default of the kernel, and of Debian 12 and 13. */
const MAP_COUNT = 65530;

const SETTINGS: readonly Check[] = [
  {
    topic: "Settings",
    name: "vm.max_map_count",
    look: ({ sysctl }) => {
      const value = Number(sysctl.get("vm.max_map_count") ?? MAP_COUNT);
      if (value >= MAP_COUNT) return ok(String(value));
      return note(
        String(value),
        "trampolines are mappings: a large program can run out of them, and its last sites stay unpatched",
        `sysctl vm.max_map_count=${MAP_COUNT} (what Debian 12 and 13 have)`,
      );
    },
  },
  {
    topic: "Settings",
    name: "vm.overcommit_memory",
    look: ({ sysctl }) => {
      const value = sysctl.get("vm.overcommit_memory") ?? "0";
      if (value !== "2") return ok(value);
      return note(
        "2 (strict)",
        `each process is charged about ${size(ENGINE_MEMORY)} for the engine, though it touches little of it`,
        "sysctl vm.overcommit_memory=0 (what Debian 12 and 13 have), or raise vm.overcommit_ratio",
      );
    },
  },
  {
    topic: "Settings",
    name: "vm.mmap_min_addr",
    look: ({ sysctl }) => {
      const value = sysctl.get("vm.mmap_min_addr") ?? "0";
      if (value !== "0") return ok(`${value}; Flicker needs nothing below`);
      return note(
        "0",
        "nothing for Flicker, which never maps the first pages; the kernel is easier to attack",
        "sysctl vm.mmap_min_addr=65536 (what Debian 12 and 13 have)",
      );
    },
  },
  {
    topic: "Settings",
    name: "vm.memfd_noexec",
    look: ({ sysctl }) => ok(`${sysctl.get("vm.memfd_noexec") ?? "not there"}; Flicker uses no memfd`),
  },
  {
    topic: "Settings",
    name: "address randomisation",
    look: ({ sysctl }) => {
      const value = sysctl.get("kernel.randomize_va_space") ?? "2";
      if (value === "2") return ok("on");
      return note(
        value === "0" ? "off" : "without brk",
        "nothing for Flicker, which runs programs where the kernel would; they are easier to attack",
        "sysctl kernel.randomize_va_space=2 (what Debian 12 and 13 have)",
      );
    },
  },
  {
    topic: "Settings",
    name: "seccomp",
    look: ({ status }) => {
      const mode = status.get("Seccomp") ?? "0";
      if (mode === "0") return ok("no filter");
      return note(
        `${status.get("Seccomp_filters") ?? "a"} filter${status.get("Seccomp_filters") === "1" ? "" : "s"} (mode ${mode}), as in a container`,
        "the engine's own calls pass through it: a filter that kills on mmap, mprotect or rt_sigprocmask kills programs",
        "docker run --security-opt seccomp=unconfined, if programs die by SIGSYS",
      );
    },
  },
  {
    topic: "Settings",
    name: "ptrace",
    look: ({ sysctl, isRoot }) => {
      const value = sysctl.get("kernel.yama.ptrace_scope");
      if (value === undefined) return ok("allowed (no Yama in this kernel)");
      if (value === "0" || (isRoot && value !== "3")) return ok(`allowed (kernel.yama.ptrace_scope ${value})`);
      return note(
        `kernel.yama.ptrace_scope ${value}`,
        value === "1"
          ? "gdb starts programs, and attaches (gdb -p) to none that it did not start"
          : "gdb and strace can neither start nor attach to programs",
        value === "3"
          ? "it cannot be lowered before the next boot"
          : "sysctl kernel.yama.ptrace_scope=0 (what Debian 12 and 13 have)",
      );
    },
  },
  {
    topic: "Settings",
    name: "perf events",
    look: ({ sysctl, isRoot }) => {
      const value = sysctl.get("kernel.perf_event_paranoid");
      if (value === undefined) {
        return note("not there", "perf cannot record", "a kernel with CONFIG_PERF_EVENTS; Debian 12 and 13 have it");
      }
      if (isRoot || Number(value) <= 2) return ok(`allowed (kernel.perf_event_paranoid ${value})`);
      return note(
        `kernel.perf_event_paranoid ${value}`,
        "perf records for root alone",
        "sysctl kernel.perf_event_paranoid=2 (Debian 12 and 13 start with 3)",
      );
    },
  },
];

const FLICKER: readonly Check[] = [
  {
    topic: "Flicker",
    name: "Node",
    look: ({ nodeVersion }) =>
      Number(nodeVersion.split(".")[0]) >= 20
        ? ok(nodeVersion)
        : note(
            nodeVersion,
            "programs run without Node; every other command wants Node 20",
            "Debian 12 has 18: nodejs.org, or Debian 13 (20)",
          ),
  },
  {
    topic: "Flicker",
    name: "launcher",
    look: ({ installation, installationFolder, installationIsNoexec }) => {
      if (installation === "intact" && installationIsNoexec) {
        return problem(
          "its file system is mounted noexec",
          "the launcher is executed from there",
          `install Flicker elsewhere, or mount -o remount,exec the file system of ${installationFolder}`,
        );
      }
      switch (installation) {
        case "intact":
          return ok("built, and as it was built");
        case "missing":
          return note(
            "not built",
            "the first run of a version builds one into the cache, which takes some seconds",
            `npm ci in ${installationFolder}`,
          );
        case "changed":
          return problem(
            "not what was built",
            "its content does not have the hash that was recorded: it is not executed",
            `find out who changed it, then npm run build in ${installationFolder}`,
          );
      }
    },
  },
  {
    topic: "Flicker",
    name: "cache",
    look: ({ cache }) => {
      const cost = "launchers that are built for it go into a new temporary folder each time";
      if (cache.failure !== null)
        return note(cache.failure, cost, "make it yours alone (chmod 700), or set XDG_CACHE_HOME");
      if (cache.isNoexec) {
        return note(
          `${cache.folder} is mounted noexec`,
          "launchers in it cannot be executed",
          "set XDG_CACHE_HOME to another file system",
        );
      }
      return ok(`${cache.folder}, private`);
    },
  },
  {
    topic: "Flicker",
    name: "flicker run true",
    look: ({ run }) => {
      if (run.failure !== null) {
        return problem(run.failure, "no program runs", "what the message means: docs/troubleshooting.md");
      }
      return ok(`${run.milliseconds.toFixed(1)} ms; natively ${run.nativeMilliseconds.toFixed(1)} ms`);
    },
  },
  {
    topic: "Flicker",
    name: "patched sites",
    look: ({ run }) => {
      if (run.failure !== null) return note("not known", "true does not run", "see above");
      const found = `${run.patched} of ${run.sites} in true and its libraries`;
      if (run.patched === run.sites && run.sites > 0) return ok(found);
      return note(
        found,
        "the kernel sees the calls of the other sites first",
        "flicker run --stats -- true, and the findings on the kernel above",
      );
    },
  },
  command("gdb", "gdb cannot look into programs under Flicker"),
  command("perf", "perf cannot profile programs under Flicker"),
];

/** Everything that `flicker doctor` looks at, in the order that it says so. */
export const CHECKS: readonly Check[] = [...PROCESSOR, ...KERNEL, ...LIMITS, ...SETTINGS, ...FLICKER];

export interface NamedFinding extends Finding {
  readonly topic: string;
  readonly name: string;
}

export function examine(facts: Facts): NamedFinding[] {
  return CHECKS.map(({ topic, name, look }) => ({ topic, name, ...look(facts) }));
}
