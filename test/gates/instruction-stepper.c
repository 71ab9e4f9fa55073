// Steps random programs (test/oracle/random-programs.S with -DSTEPPED) and sends a signal behind every instruction: invariant
// I3 in the trampolines of instructions, driven.
//
//   instruction-stepper PROG -- LAUNCHER run OPTIONS -- PROG
//
// PROG runs natively first, an instruction a step: its states, in order, are those that it can have. Then it runs in its
// trampolines. From each state the signal is sent behind one instruction, two, three... until the handler sees another state.
// What the handler sees must be the state that the program was in or the next one, all registers and flags. The handler does
// not return: the tracer puts the program where the handler was told that it is, as siglongjmp would.
//
// In the engine itself, where a trap leads, no signal is sent: state-stepper.c does that.

#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TF = 0x100, RF = 0x10000, XSTATE_MAX = 16384, STEPS_MAX = 1000, ENGINE_STEPS_MAX = 100000, PROGRAMS_MAX = 10000 };

static pid_t child;
static int failures;

struct run {
  struct user_regs_struct *states;
  int count;
};
static struct run natively[PROGRAMS_MAX];
static int program_count;

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
  r->orig_rax = -1;
  if (ptrace(PTRACE_SETREGS, child, 0, r) != 0) fatal("PTRACE_SETREGS");
}

// Waits for a stop; gives its signal, or 0 when the program has ended well.
static int stop(void) {
  int status;
  if (waitpid(child, &status, __WALL) != child) fatal("waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  if (!WIFSTOPPED(status)) {
    printf("FAILED: the program ended early, status %#x\n", status);
    exit(1);
  }
  return WSTOPSIG(status) & 0x7f;
}

static void start(char **command) {
  child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execv(command[0], command);
    fatal(command[0]);
  }
  stop();  // behind execve
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
}

// Runs to the next `int3` of the program's, in front of a random program; gives 0 when there is none.
static int run_to_marker(void) {
  for (int signal = 0;;) {
    if (ptrace(PTRACE_CONT, child, 0, signal) != 0) fatal("PTRACE_CONT");
    signal = stop();
    if (signal == 0) return 0;
    if (signal == SIGTRAP) return 1;
  }
}

// One instruction. Gives the signal that it ended with.
static int step(int with) {
  if (ptrace(PTRACE_SINGLESTEP, child, 0, with) != 0) fatal("PTRACE_SINGLESTEP");
  int signal = stop();
  struct user_regs_struct r = registers();
  if (r.eflags & TF) {
    r.eflags &= ~(uint64_t)TF;
    set_registers(&r);
  }
  return signal;
}

// ---- natively

static int is_end_marker(uint64_t rip) {
  errno = 0;
  long word = ptrace(PTRACE_PEEKTEXT, child, rip, 0);
  return errno == 0 && (word & 0xff) == 0xcc;
}

static void record_states(void) {
  while (run_to_marker()) {
    if (program_count == PROGRAMS_MAX) fatal("too many programs");
    struct run *run = &natively[program_count++];
    run->states = calloc(STEPS_MAX, sizeof *run->states);
    do {
      run->states[run->count++] = registers();
      step(0);
    } while (!is_end_marker(registers().rip) && run->count < STEPS_MAX - 1);
    run->states[run->count++] = registers();
    // Over the marker at the end, or on from wherever it is.
    while (!is_end_marker(registers().rip)) step(0);
    run_to_marker();
  }
}

// ---- in trampolines

static uint64_t engine_start, engine_end;

// The launcher's mappings: its file and what follows them.
static void find_engine(const char *launcher) {
  char path[64], line[4400], real[4096];
  if (!realpath(launcher, real)) fatal(launcher);
  snprintf(path, sizeof path, "/proc/%d/maps", child);
  FILE *maps = fopen(path, "r");
  engine_start = 0;
  while (fgets(line, sizeof line, maps)) {
    unsigned long from, to;
    if (sscanf(line, "%lx-%lx", &from, &to) != 2 || !strstr(line, real)) continue;
    if (engine_start == 0) engine_start = from;
    engine_end = to;
  }
  fclose(maps);
  if (engine_start == 0) fatal("no launcher in the program's maps");
}
static int is_in_engine(uint64_t rip) { return rip >= engine_start && rip < engine_end; }

static int is_same(const struct user_regs_struct *a, const struct user_regs_struct *b) {
  return a->rip == b->rip && a->rsp == b->rsp && a->rax == b->rax && a->rbx == b->rbx && a->rcx == b->rcx && a->rdx == b->rdx &&
         a->rsi == b->rsi && a->rdi == b->rdi && a->rbp == b->rbp && a->r8 == b->r8 && a->r9 == b->r9 && a->r10 == b->r10 &&
         a->r11 == b->r11 && a->r12 == b->r12 && a->r13 == b->r13 && a->r14 == b->r14 && a->r15 == b->r15 &&
         ((a->eflags ^ b->eflags) & ~(uint64_t)(TF | RF)) == 0;
}

static void say_state(const char *what, const struct user_regs_struct *r) {
  printf("  %s: rip %llx rsp %llx flags %llx rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx rbp %llx r8 %llx r9 %llx r10 %llx"
         " r11 %llx r12 %llx r13 %llx r14 %llx r15 %llx\n",
         what, r->rip, r->rsp, r->eflags, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->r8, r->r9, r->r10, r->r11, r->r12,
         r->r13, r->r14, r->r15);
}

// Sends the signal, and gives the state that the handler is told of; the program then is in that state.
static struct user_regs_struct interrupt(void) {
  static unsigned char xstate[XSTATE_MAX];
  struct iovec vector = {xstate, sizeof xstate};
  if (ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &vector) != 0) fatal("PTRACE_GETREGSET");
  for (int signal = SIGUSR1;;) {
    if (ptrace(PTRACE_CONT, child, 0, signal) != 0) fatal("PTRACE_CONT");
    signal = stop();
    if (signal == SIGTRAP) break;
  }
  struct user_regs_struct handler = registers(), state = handler;
  // The registers of struct ucontext, in the order of sigcontext.h.
  uint64_t context[18];
  struct iovec local = {context, sizeof context}, remote = {(void *)(handler.rdx + 40), sizeof context};
  if (process_vm_readv(child, &local, 1, &remote, 1, 0) != sizeof context) fatal("process_vm_readv");
  unsigned long long *const to[] = {&state.r8, &state.r9, &state.r10, &state.r11, &state.r12, &state.r13, &state.r14, &state.r15, &state.rdi,
                                    &state.rsi, &state.rbp, &state.rbx, &state.rdx, &state.rax, &state.rcx, &state.rsp, &state.rip, &state.eflags};
  for (int i = 0; i < 18; i++) *to[i] = context[i];
  state.eflags &= ~(uint64_t)(TF | RF);
  set_registers(&state);
  if (ptrace(PTRACE_SETREGSET, child, NT_X86_XSTATE, &vector) != 0) fatal("PTRACE_SETREGSET");
  return state;
}

// n instructions outside of the engine, or up to the marker at the end; gives how many there were.
static int step_times(int n) {
  int steps = 0, signal = 0;
  while (steps < n) {
    signal = step(signal);
    // A trap at a site, whose signal the engine is to have.
    int engine = 0;
    for (; signal == SIGILL || is_in_engine(registers().rip); engine++) {
      if (engine == ENGINE_STEPS_MAX) fatal("the engine does not come back");
      signal = step(signal == SIGILL ? SIGILL : 0);
    }
    steps++;
    if (signal != SIGTRAP) {
      printf("FAILED: signal %d at %#llx\n", signal, registers().rip);
      exit(1);
    }
    signal = 0;
    if (is_end_marker(registers().rip)) break;
  }
  return steps;
}

static long signals;

static void interrupt_program(int number, const struct run *run) {
  for (int at = 0, n = 0; at < run->count - 1; n++) {
    if (step_times(n) < n) return;
    uint64_t where = registers().rip;
    struct user_regs_struct state = interrupt();
    signals++;
    int now = at;
    while (now < run->count && now < at + 4 && !is_same(&state, &run->states[now])) now++;
    if (now == run->count || now == at + 4) {
      failures++;
      printf("FAILED: program_%d, %d instructions behind state %d, at %#lx\n", number, n, at, (unsigned long)where);
      say_state("handler", &state);
      say_state("before", &run->states[at]);
      say_state("after", &run->states[at + 1]);
      return;
    }
    if (now != at) at = now, n = 0;
  }
}

int main(int argc, char **argv) {
  if (argc < 4 || strcmp(argv[2], "--") != 0) {
    fprintf(stderr, "usage: instruction-stepper PROG -- LAUNCHER run OPTIONS -- PROG\n");
    return 2;
  }
  start((char *[]){argv[1], 0});
  record_states();
  start(argv + 3);
  for (int number = 0; run_to_marker(); number++) {
    if (number == 0) find_engine(argv[3]);
    interrupt_program(number, &natively[number]);
    run_to_marker();
  }
  int states = 0;
  for (int i = 0; i < program_count; i++) states += natively[i].count;
  printf("%d states, %ld signals, %d failures\n", states, signals, failures);
  return failures != 0;
}
