// Steps a target instruction by instruction and sends it a signal at each: invariant I3, driven.
//
//   stepper [--own-gs] SITE SEEN CALL[,CALL...] -- PROG ARGS...
//
// SITE and SEEN are the addresses of `call_site` and `seen` in the target (test/gates/stepped.S, linked at a fixed
// address). For every call and every n until the call is over, one round is run with a signal behind the n-th
// instruction. Each round prints nothing; a state that the program could not have natively is printed and fails.
//
// With --own-gs the target has gs base for itself. The engine then comes in by a fault, which is stepped over like an
// instruction, and shows rcx and r11 as lost from a trampoline's start on (src/engine/thread/trampoline.ts).
//
// Stepping leaks the trap flag: into what pushfq stores and into r11 behind a syscall. It is cleared here.

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  AFTER_LENGTH = 2,  // of `syscall`
  VICTIM_LENGTH = 7, // of the instruction behind it, which may run in a trampoline
  TEXT_LENGTH = 0x100,
  SIGNALLED = SIGUSR1,
  TF = 0x100,
  DF = 0x400
};

static pid_t child;
static uint64_t site, seen;
static int failures, own_gs;

static struct user_regs_struct registers(void) {
  struct user_regs_struct r;
  if (ptrace(PTRACE_GETREGS, child, 0, &r) != 0) perror("PTRACE_GETREGS"), exit(2);
  return r;
}
static void set_registers(struct user_regs_struct *r) {
  if (ptrace(PTRACE_SETREGS, child, 0, r) != 0) perror("PTRACE_SETREGS"), exit(2);
}
static uint64_t peek(uint64_t address) {
  errno = 0;
  uint64_t value = ptrace(PTRACE_PEEKDATA, child, address, 0);
  if (errno) perror("PTRACE_PEEKDATA"), exit(2);
  return value;
}
static void poke(uint64_t address, uint64_t value) {
  if (ptrace(PTRACE_POKEDATA, child, address, value) != 0) perror("PTRACE_POKEDATA"), exit(2);
}

// Waits for a stop; gives its signal.
static int stop(void) {
  int status;
  if (waitpid(child, &status, __WALL) != child) perror("waitpid"), exit(2);
  if (!WIFSTOPPED(status)) {
    fprintf(stderr, "stepper: the target ended early: status %#x\n", status);
    exit(1);
  }
  return WSTOPSIG(status) & 0x7f;
}

// One instruction, without the trap flag's traces, or the delivery of a signal.
static int step(int deliver) {
  struct user_regs_struct before = registers();
  uint64_t code = peek(before.rip);
  if (ptrace(PTRACE_SINGLESTEP, child, 0, deliver) != 0) perror("PTRACE_SINGLESTEP"), exit(2);
  int signal = stop();
  if (own_gs && signal == SIGSEGV) {
    if (ptrace(PTRACE_SINGLESTEP, child, 0, signal) != 0) perror("PTRACE_SINGLESTEP"), exit(2);
    signal = stop();
  }
  struct user_regs_struct after = registers();
  if ((code & 0xff) == 0x9c && after.rsp == before.rsp - 8) poke(after.rsp, peek(after.rsp) & ~(uint64_t)TF);
  if ((code & 0xffff) == 0x050f) after.r11 &= ~(uint64_t)TF;
  // The kernel takes a flag that popfq sets for the program's own: arch/x86/kernel/step.c, is_setting_trap_flag.
  after.eflags &= ~(uint64_t)TF;
  set_registers(&after);
  return signal;
}

// Runs to the next marker of the program; signals on the way are delivered.
static void run_to_marker(void) {
  for (int signal = 0;;) {
    if (ptrace(PTRACE_CONT, child, 0, signal) != 0) perror("PTRACE_CONT"), exit(2);
    signal = stop();
    if (signal == SIGTRAP) return;
  }
}

static void fail(int call, int n, const char *what, uint64_t wanted, uint64_t found, struct user_regs_struct *at) {
  failures++;
  printf("call %d, signal behind instruction %d (at %#llx): %s: wanted %#llx, found %#llx\n", call, n,
         (unsigned long long)at->rip, what, (unsigned long long)wanted, (unsigned long long)found);
}

// One round; gives 0 when the program had reached the second marker before n instructions.
static int round_of(int call, int n, int with_signal) {
  struct user_regs_struct start = registers();
  start.rax = call;
  start.orig_rax = -1;
  start.eflags &= ~(uint64_t)TF;  // left by a step over rt_sigreturn
  if (call & 1) start.eflags &= ~(uint64_t)DF;  // the way out restores what arithmetic changes in a way of its own
  set_registers(&start);
  uint64_t flags = start.eflags;
  uint64_t count = peek(seen + 64);
  int over = 0;
  struct user_regs_struct at = start;
  int trap = 0;
  for (int i = 0; i < n && !over; i++) {
    int signal = step(trap);
    at = registers();
    // Where no jump fits, the site is a ud2.
    trap = signal == SIGILL && at.rip == site ? SIGILL : 0;
    if (!trap && signal != SIGTRAP) fail(call, n, "a signal of its own", 0, signal, &at);
    over = at.rip >= site + AFTER_LENGTH && at.rip < site + TEXT_LENGTH;
  }
  // The kernel takes no other signal where it is about to deliver one: ptrace(2), PTRACE_CONT. Nor does it take one from the
  // tracer where it tells that it has: so the signal is sent.
  if (trap) step(trap), at = registers();
  if (with_signal && !over && kill(child, SIGNALLED) != 0) perror("kill"), exit(2);
  run_to_marker();
  struct user_regs_struct end = registers();

  uint64_t r[16];
  for (int i = 0; i < 13; i++) r[i] = peek(seen + 72 + 8 * i);
  if (r[1] != site + 2) fail(call, n, "rcx", site + 2, r[1], &at);
  if (r[2] != flags) fail(call, n, "r11", flags, r[2], &at);
  if (r[3] != 0x12345678) fail(call, n, "red zone", 0x12345678, r[3], &at);
  if (r[4] != 0x0fedcba9) fail(call, n, "end of the red zone", 0x0fedcba9, r[4], &at);
  if ((r[5] & ~(uint64_t)TF) != flags) fail(call, n, "flags", flags, r[5], &at);
  if (r[6] != 0x1111222233334444) fail(call, n, "rbx", 0x1111222233334444, r[6], &at);
  if (r[7] != 0x1515151515151515) fail(call, n, "r15", 0x1515151515151515, r[7], &at);
  if (r[8] != 0x1414141414141414) fail(call, n, "r14", 0x1414141414141414, r[8], &at);
  if (r[9] != 0x5555666677778888) fail(call, n, "rbp", 0x5555666677778888, r[9], &at);
  if (r[10] != 0x0808080808080808) fail(call, n, "r8", 0x0808080808080808, r[10], &at);
  if (r[11] != 0x0909090909090909) fail(call, n, "r9", 0x0909090909090909, r[11], &at);
  if (r[12] != 8) fail(call, n, "r10", 8, r[12], &at);
  if (own_gs && end.gs_base != start.gs_base) fail(call, n, "gs base", start.gs_base, end.gs_base, &at);
  if (end.rsp != start.rsp) fail(call, n, "rsp", start.rsp, end.rsp, &at);

  if (with_signal && !over) {
    if (peek(seen + 64) != count + 1) fail(call, n, "handlers run", count + 1, peek(seen + 64), &at);
    uint64_t s[8];
    for (int i = 0; i < 8; i++) s[i] = peek(seen + 8 * i);
    int done = s[0] == site + AFTER_LENGTH || s[0] == site + AFTER_LENGTH + VICTIM_LENGTH;
    if (s[0] != site && !done) fail(call, n, "rip in the handler", site, s[0], &at);
    if (s[1] != start.rsp) fail(call, n, "rsp in the handler", start.rsp, s[1], &at);
    if (s[2] != (done ? r[0] : (uint64_t)call)) fail(call, n, "rax in the handler", done ? r[0] : (uint64_t)call, s[2], &at);
    int lost = own_gs && !done && s[3] == site + AFTER_LENGTH && (s[4] & ~(uint64_t)TF) == flags;
    if (!lost && s[3] != (done ? site + 2 : 0x7a7a7a7a)) fail(call, n, "rcx in the handler", done ? site + 2 : 0x7a7a7a7a, s[3], &at);
    if (!lost && (s[4] & ~(uint64_t)TF) != (done ? flags : 0x6a6a6a6a)) fail(call, n, "r11 in the handler", done ? flags : 0x6a6a6a6a, s[4], &at);
    if ((s[5] & ~(uint64_t)(TF | 0x10000)) != flags) fail(call, n, "flags in the handler", flags, s[5], &at);
    if (s[6] != 0x1111222233334444) fail(call, n, "rbx in the handler", 0x1111222233334444, s[6], &at);
    if (s[7] != 0x1515151515151515) fail(call, n, "r15 in the handler", 0x1515151515151515, s[7], &at);
    if (own_gs && peek(seen + 176) != start.gs_base) fail(call, n, "gs in the handler", start.gs_base, peek(seen + 176), &at);
  }
  // On to the next round's first marker.
  run_to_marker();
  return !over;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--own-gs") == 0) {
    own_gs = 1;
    argc--, argv++;
  }
  if (argc < 6 || strcmp(argv[4], "--") != 0) {
    fprintf(stderr, "usage: stepper [--own-gs] SITE SEEN CALL[,CALL...] -- PROG ARGS...\n");
    return 2;
  }
  site = strtoull(argv[1], 0, 16);
  seen = strtoull(argv[2], 0, 16);
  child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(argv[5], argv + 5);
    perror(argv[5]);
    _exit(127);
  }
  stop(); // behind execve
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
  run_to_marker();
  int rounds = 0;
  for (char *call = strtok(argv[3], ","); call; call = strtok(0, ",")) {
    int n = 0;
    round_of(atoi(call), 0, 0);
    while (round_of(atoi(call), n, 1)) n++;
    printf("call %s: %d instructions\n", call, n);
    rounds += n;
    if (n > 20000) break;
  }
  kill(child, SIGKILL);
  printf("%d rounds, %d failures\n", rounds, failures);
  return failures != 0;
}
