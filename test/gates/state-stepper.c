// Steps a target instruction by instruction and sends it signals on the way: invariant I3, driven.
//
//   state-stepper SIGNAL STRIDE -- PROG ARGS...
//
// The target (state-target.S) makes one system call a round, between two markers. For every site and every call of the table
// below, rounds are run with a signal behind the n-th instruction: every n at both ends of the way and behind the first fault
// at an instruction, every STRIDE-th in the engine's body between them.
//
// Each line of the output is one state that some handler was given, whole: all registers, flags, mask, stack, siginfo, and a
// hash of the xstate. Natively the lines say which states the program can have; under Flicker there may be no others.
// A round must also leave the program as it would natively: those checks are made here, and fail by themselves.
//
// Stepping leaks the trap flag: into what pushfq stores and into r11 behind a syscall. It is cleared here.

#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { TF = 0x100, DF = 0x400, RF = 0x10000, XSTATE_MAX = 4096, STEPS_MAX = 60000, END = 60, BEHIND_FAULT = 120, PLACES_MAX = 64 };
// Numbers of processes begin anew here (kernel/pid.c).
enum { RESERVED_PIDS = 300 };

// What the target says of itself: the table in state-target.S.
static struct {
  uint64_t sites, site_count, site_number, seen, old_mask, no_time, alternate, child_stack_end;
} target;

struct seen {
  uint64_t runs, rsp, rax, flags;
  unsigned char info[128];
  uint64_t uc[38];
  unsigned char xstate[XSTATE_MAX];
};

static pid_t child;
static int failures;

static void fatal(const char *what) {
  perror(what);
  exit(2);
}
static struct user_regs_struct registers(void) {
  struct user_regs_struct r;
  if (ptrace(PTRACE_GETREGS, child, 0, &r) != 0) fatal("PTRACE_GETREGS");
  return r;
}
static void set_registers(struct user_regs_struct *r) {
  if (ptrace(PTRACE_SETREGS, child, 0, r) != 0) fatal("PTRACE_SETREGS");
}
static uint64_t peek(uint64_t address) {
  errno = 0;
  uint64_t value = ptrace(PTRACE_PEEKDATA, child, address, 0);
  if (errno) fatal("PTRACE_PEEKDATA");
  return value;
}
static void poke(uint64_t address, uint64_t value) {
  if (ptrace(PTRACE_POKEDATA, child, address, value) != 0) fatal("PTRACE_POKEDATA");
}
static void read_memory(void *to, uint64_t from, size_t size) {
  struct iovec local = {to, size}, remote = {(void *)from, size};
  if (process_vm_readv(child, &local, 1, &remote, 1, 0) != (ssize_t)size) fatal("process_vm_readv");
}

// Waits for a stop; gives its signal.
static int stop(void) {
  int status;
  if (waitpid(child, &status, __WALL) != child) fatal("waitpid");
  if (!WIFSTOPPED(status)) {
    printf("FAILED: the target ended early, status %#x\n", status);
    exit(1);
  }
  return WSTOPSIG(status) & 0x7f;
}

// A fault of the engine's own (a bad pointer that it was given, a trap at a site) is on its way: the next step delivers it.
static int fault;
// The last step delivered a signal: the stop at a handler's first instruction is no place to send another from
// (ptrace_notify, kernel/signal.c).
static int at_handler;

// The last step ended where a system call ended: a signal that is sent from there comes from the kernel itself
// (ptrace_report_syscall, include/linux/ptrace.h), as only a fault's does.
static int at_call_end;

// One instruction, with a signal on the way, without the trap flag's traces.
static void step(int with) {
  if (!with) with = fault;
  fault = 0;
  at_handler = with != 0;
  struct user_regs_struct before = registers();
  uint64_t code = peek(before.rip);
  // Where a process or thread is made every signal may be blocked, and the trap flag's SIGTRAP would take the handler away
  // (force_sig_info_to_task, kernel/signal.c): run to the call's beginning and to its end instead.
  int makes_child = (code & 0xffff) == 0x050f && (before.rax == SYS_clone || before.rax == SYS_fork || before.rax == SYS_vfork);
  if (makes_child) {
    if (ptrace(PTRACE_SYSCALL, child, 0, 0) != 0) fatal("PTRACE_SYSCALL");
    stop();
  }
  at_call_end = makes_child;
  if (ptrace(makes_child ? PTRACE_SYSCALL : PTRACE_SINGLESTEP, child, 0, with) != 0) fatal("PTRACE_SINGLESTEP");
  int signal = stop();
  if (signal == SIGSEGV || signal == SIGILL) {
    fault = signal;
    return;
  }
  if (signal != SIGTRAP) {
    failures++;
    printf("FAILED: signal %d of its own at %#llx\n", signal, before.rip);
  }
  struct user_regs_struct after = registers();
  // The frame of a fault that was stepped into may hold the flag: at the handler's entry rdx is the ucontext, which lies
  // above the return address, and its uc_mcontext.eflags is at 176. A signal that is blocked enters none.
  if (after.rdi == (uint64_t)with && after.rdx == after.rsp + 8) poke(after.rdx + 176, peek(after.rdx + 176) & ~(uint64_t)TF);
  if (!with && (code & 0xff) == 0x9c && after.rsp == before.rsp - 8) poke(after.rsp, peek(after.rsp) & ~(uint64_t)TF);
  if (!with && (code & 0xffff) == 0x050f) after.r11 &= ~(uint64_t)TF;
  // The kernel takes a flag that popfq sets for the program's own: arch/x86/kernel/step.c, is_setting_trap_flag.
  after.eflags &= ~(uint64_t)TF;
  set_registers(&after);
}

// Runs to the next marker of the program.
static void run_to_marker(int signal) {
  if (signal && at_call_end) {
    if (syscall(SYS_tgkill, child, child, signal) != 0) fatal("tgkill");
    signal = 0;
  }
  at_call_end = 0;
  for (;;) {
    if (ptrace(PTRACE_CONT, child, 0, signal) != 0) fatal("PTRACE_CONT");
    signal = stop();
    if (signal == SIGTRAP) return;
  }
}

static int is_marker(void) { return (peek(registers().rip) & 0xff) == 0xcc; }

// Delivers what is on its way.
static void settle(void) {
  while (fault || (at_handler && !is_marker())) step(0);
}

// ---- vector registers

static unsigned char pattern[XSTATE_MAX];
static size_t xstate_size;

static void get_xstate(unsigned char *to) {
  struct iovec vector = {to, XSTATE_MAX};
  if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &vector) != 0) fatal("PTRACE_GETREGSET");
  xstate_size = vector.iov_len;
}

// Every component that the kernel has in the program's frames gets a pattern, so that none is in its initial state.
static void make_pattern(void) {
  get_xstate(pattern);
  uint64_t features;
  memcpy(&features, pattern + 464, 8);
  features &= 0xe7;  // x87, SSE, AVX, AVX-512: SDM volume 1, section 13.1
  memcpy(pattern + 512, &features, 8);
  for (size_t i = 160; i < 416; i++) pattern[i] = (unsigned char)(i * 7 + 1);
  for (size_t i = 576; i < xstate_size; i++) pattern[i] = (unsigned char)(i * 11 + 3);
  // Components 3, 4 and what lies behind AVX-512's registers stay as they are: the kernel checks some of them.
  if (!(features & 4)) memset(pattern + 576, 0, xstate_size - 576);
}
static void set_xstate(void) {
  struct iovec vector = {pattern, xstate_size};
  if (ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &vector) != 0) fatal("PTRACE_SETREGSET");
}

static uint64_t hash(const unsigned char *bytes, size_t size) {
  uint64_t value = 0xcbf29ce484222325;
  for (size_t i = 0; i < size; i++) value = (value ^ bytes[i]) * 0x100000001b3;
  return value;
}

// ---- states

struct call {
  const char *name;
  uint64_t number, a, b, c, d, e;
  int gives_pid, is_clone;
};

// A line for what a handler was given. What stepping itself changes is left out: TF, RF, trapno, err; so are a child's
// number and the sender's.
static void say_seen(const struct call *call, uint64_t address) {
  static const char *const names[] = {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "flags", "segments"};
  struct seen seen;
  read_memory(&seen, address, sizeof seen);
  const uint64_t *g = seen.uc + 5;
  printf("%s:", call->name);
  for (int i = 0; i < 19; i++) {
    uint64_t value = g[i];
    if (i == 17) value &= ~(uint64_t)(TF | RF | (call->gives_pid ? 0xd4 : 0));
    if (i == 3) value &= ~(uint64_t)TF;
    if (i == 13 && call->gives_pid && value >= RESERVED_PIDS && value < 0x7fffffff && value != call->number) value = 0x7001d;
    printf(" %s %lx", names[i], value);
  }
  uint32_t size;
  memcpy(&size, seen.xstate + 468, 4);
  printf(" oldmask %lx cr2 %lx uc %lx %lx stack %lx %lx %lx mask %lx reserved %lx", g[21], g[22], seen.uc[0], seen.uc[1], seen.uc[2],
         seen.uc[3], seen.uc[4], seen.uc[37], hash((unsigned char *)(g + 24), 64));
  printf(" fpstate %lx size %u hash %lx", g[23], size, size <= XSTATE_MAX ? hash(seen.xstate, size) : 0);
  int code = *(int *)(seen.info + 8) == SI_TKILL ? SI_USER : *(int *)(seen.info + 8);
  printf(" signal %d code %d; starts with rsp %lx rax %lx flags %lx\n", *(int *)seen.info, code, seen.rsp, seen.rax,
         seen.flags & ~(uint64_t)(TF | 0x8d5));
}

static void fail(const char *call, int n, const char *what, uint64_t wanted, uint64_t found, uint64_t at) {
  failures++;
  printf("FAILED: %s, signal behind instruction %d (at %#lx): %s: wanted %#lx, found %#lx\n", call, n, at, what, wanted, found);
}

// Behind how many instructions of the last round a fault of the engine's own was last on its way, and where.
static int fault_at;
static uint64_t fault_place;

// Whether that place is met for the first time.
static int is_first_fault(void) {
  static uint64_t places[PLACES_MAX];
  static int count;
  if (!fault_at) return 0;
  for (int i = 0; i < count; i++)
    if (places[i] == fault_place) return 0;
  if (count == PLACES_MAX) return 0;
  places[count++] = fault_place;
  return 1;
}

// One round, with a signal behind n instructions, or none (0). Gives how many were executed: fewer when the second marker
// came first.
static int round_of(const struct call *call, uint64_t site, int n, int signal) {
  int steps = 0;
  fault_at = 0;
  set_xstate();
  struct user_regs_struct start = registers();
  start.rax = call->number;
  start.rdi = call->a;
  start.rsi = call->b;
  start.rdx = call->c;
  start.r10 = call->d;
  start.r8 = call->e;
  start.r9 = 0x0909090909090909;
  start.rcx = 0x7a7a7a7a;
  start.r11 = 0x6a6a6a6a;
  start.orig_rax = -1;
  if (peek(target.site_number) & 1) start.eflags &= ~(uint64_t)DF;  // the way out restores what arithmetic changes in a way of its own
  if (call->is_clone) start.r14 = 0xc1c1c1c1c1c1c1c1;  // a child that sees it ends
  set_registers(&start);
  uint64_t runs = peek(target.seen);
  for (; steps < n && (steps == 0 || !is_marker()); steps++) {
    step(0);
    if (fault) fault_at = steps + 1, fault_place = registers().rip;
  }
  settle();
  uint64_t at = registers().rip;
  run_to_marker(signal);
  struct user_regs_struct end = registers();
  const char *name = call->name;
#define SAME(what, wanted, found) if ((uint64_t)(wanted) != (uint64_t)(found)) fail(name, n, what, wanted, found, at)
  SAME("rsp", start.rsp, end.rsp);
  SAME("rcx", site + 2, end.rcx);
  SAME("r11", start.eflags & ~RF, end.r11 & ~(uint64_t)TF);
  SAME("rbx", start.rbx, end.rbx);
  SAME("rbp", start.rbp, end.rbp);
  SAME("rdi", start.rdi, end.rdi);
  SAME("rsi", start.rsi, end.rsi);
  SAME("rdx", start.rdx, end.rdx);
  SAME("r8", start.r8, end.r8);
  SAME("r9", start.r9, end.r9);
  SAME("r10", start.r10, end.r10);
  SAME("r12", start.r12, end.r12);
  SAME("r14", start.r14, end.r14);
  SAME("r15", start.r15, end.r15);
  SAME("DF", start.eflags & DF, end.eflags & DF);
  SAME("red zone", 0x12345678, peek(end.rsp - 8) == 0x0909090909090909 ? 0x12345678 : peek(end.rsp - 8));
  SAME("end of the red zone", 0x0fedcba9, peek(end.rsp - 128));
  unsigned char vectors[XSTATE_MAX];
  get_xstate(vectors);
  SAME("vector registers", hash(pattern + 160, 256), hash(vectors + 160, 256));
  SAME("further vector registers", hash(pattern + 576, 256), hash(vectors + 576, 256));
  if (signal) {
    SAME("handlers run", runs + 1, peek(target.seen));
    say_seen(call, target.seen);
  }
  // On to the next round's first marker.
  run_to_marker(0);
  return steps;
}

int main(int argc, char **argv) {
  if (argc < 5 || strcmp(argv[3], "--") != 0) {
    fprintf(stderr, "usage: state-stepper SIGNAL STRIDE -- PROG ARGS...\n");
    return 2;
  }
  int signal = atoi(argv[1]), stride = atoi(argv[2]);
  child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(argv[4], argv + 4);
    fatal(argv[4]);
  }
  stop();  // behind execve
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
  run_to_marker(0);
  read_memory(&target, registers().rax, sizeof target);
  poke(target.site_number, 0);
  run_to_marker(0);
  make_pattern();

  const struct call calls[] = {
      {"getppid", SYS_getppid, 0, 0, 0, 0, 0, 1, 0},
      {"no such call", 1000, 0, 0, 0, 0, 0, 0, 0},
      {"alias of getpid", 0x10027, 0, 0, 0, 0, 0, 1, 0},
      {"alias of rt_sigprocmask", 0x1000e, 0, 0, target.old_mask, 8, 0, 0, 0},
      {"rt_sigprocmask", SYS_rt_sigprocmask, SIG_BLOCK, 0, target.old_mask, 8, 0, 0, 0},
      {"rt_sigpending", SYS_rt_sigpending, target.old_mask, 8, 0, 0, 0, 0, 0},
      {"sigaltstack", SYS_sigaltstack, 0, target.old_mask, 0, 0, 0, 0, 0},
      {"sigaltstack, bad", SYS_sigaltstack, 8, 0, 0, 0, 0, 0, 0},
      {"rt_sigaction", SYS_rt_sigaction, SIGURG, 0, target.old_mask, 8, 0, 0, 0},
      {"ppoll", SYS_ppoll, 0, 0, target.no_time, 0, 8, 0, 0},
      {"ppoll with a mask", SYS_ppoll, 0, 0, target.no_time, target.no_time, 8, 0, 0},
      {"munmap", SYS_munmap, 1, 1, 0, 0, 0, 0, 0},
      {"fork", SYS_fork, 0, 0, 0, 0, 0, 1, 1},
      {"vfork", SYS_vfork, 0, 0, 0, 0, 0, 1, 1},
      // CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
      {"clone", SYS_clone, 0x50f00, target.child_stack_end, 0, 0, 0, 1, 1},
  };
  int rounds = 0;
  for (uint64_t s = 0; s < target.site_count; s++) {
    poke(target.site_number, s);
    struct user_regs_struct r = registers();
    r.rax = 1000;  // no call
    set_registers(&r);
    // Out of the old site's round, into the new one's.
    run_to_marker(0);
    run_to_marker(0);
    uint64_t site = peek(target.sites + 8 * s) + 1;
    for (unsigned c = 0; c < sizeof calls / sizeof *calls; c++) {
      if (s > 0 && c > 5) continue;
      int length = round_of(&calls[c], site, STEPS_MAX, 0);
      int dense = is_first_fault() ? fault_at : length;
      for (int n = 0; n <= length; rounds++) {
        round_of(&calls[c], site, n, signal);
        int is_dense = n < END || n > length - END || (n >= dense && n < dense + BEHIND_FAULT);
        int next = n + (is_dense ? 1 : stride);
        n = n < dense && next > dense ? dense : next;
      }
    }
  }
  kill(child, SIGKILL);
  printf("%d rounds, %d failures\n", rounds, failures);
  return failures != 0;
}
