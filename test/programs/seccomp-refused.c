// Installs filters that Flicker refuses, and says what came of it: test/kernel/seccomp.test.ts.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_filter(struct sock_filter *filter, unsigned short count) {
  struct sock_fprog program = {.len = count, .filter = filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : errno;
}

// As long as the kernel allows; mmap has an outcome of its own.
static int set_long_filter(unsigned outcome) {
  static struct sock_filter filter[4096];
  for (int i = 0; i < 4096; i++) filter[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0);
  struct sock_filter tail[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, outcome),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  memcpy(filter + 4092, tail, sizeof tail);
  return set_filter(filter, 4096);
}

int main(void) {
  struct sock_filter by_address[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7fff, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  printf("instruction pointer: %d\n", set_filter(by_address, 4));
  printf("long, kills on mmap: %d\n", set_long_filter(SECCOMP_RET_KILL_PROCESS));
  printf("long, allows all: %d\n", set_long_filter(SECCOMP_RET_ALLOW));
  fflush(stdout);
  free(malloc(1 << 22));
  return 0;
}
