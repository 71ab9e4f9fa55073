// A trap instruction in the place of `syscall`, whose handler makes the call: trapped-call ud2|int3 COUNT.
//
// Both are a fault, a signal, and rt_sigreturn. ud2 has the length of `syscall` and is what Flicker uses where no jump fits;
// under a hypervisor that looks at every #UD it costs several times as much as int3.
#include "timed-calls.h"
#include <signal.h>
#include <string.h>
#include <ucontext.h>

/** What is left to skip: rip is at ud2, and behind int3. */
static long skip;

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  long result = registers[REG_RAX];
  __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
  registers[REG_RAX] = result;
  registers[REG_RIP] += skip;
}

static long undefined_call(void) {
  long result = NO_SUCH_CALL;
  __asm__ volatile("ud2" : "+a"(result) : : "rcx", "r11", "memory");
  return result;
}

static long breakpoint_call(void) {
  long result = NO_SUCH_CALL;
  __asm__ volatile("int3" : "+a"(result) : : "rcx", "r11", "memory");
  return result;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  int is_ud2 = strcmp(argv[1], "ud2") == 0;
  skip = is_ud2 ? 2 : 0;
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (sigaction(is_ud2 ? SIGILL : SIGTRAP, &action, NULL) != 0) return 1;
  printf("%.3f\n", time_calls(count_of(argc - 1, argv + 1), is_ud2 ? undefined_call : breakpoint_call));
  return 0;
}
