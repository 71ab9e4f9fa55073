// What the targets that use gs base share.
#pragma once
#include "cases.h"
#include <asm/prctl.h>
#include <poll.h>

enum { MARK = 0x5a5a };

// What gs points at: its own address first, so that one load tells which it is.
struct block {
  struct block *self;
  long before_saves;
  long where_trampolines_save[2];
  long more[64];
};

__attribute__((unused)) static void prepare(struct block *block, long mark) {
  memset(block, 0, sizeof *block);
  block->self = block;
  block->where_trampolines_save[0] = mark;
  block->where_trampolines_save[1] = mark + 1;
}

__attribute__((unused)) static long set_gs(void *base) { return raw(SYS_arch_prctl, ARCH_SET_GS, (long)base, 0, 0, 0, 0); }
__attribute__((unused)) static long get_gs(unsigned long *base) { return raw(SYS_arch_prctl, ARCH_GET_GS, (long)base, 0, 0, 0, 0); }
__attribute__((unused)) static unsigned long gs_base(void) {
  unsigned long base = MARK;
  check_equal(get_gs(&base), 0);
  return base;
}
__attribute__((unused)) static struct block *through_gs(void) {
  struct block *self;
  __asm__ volatile("mov %%gs:0,%0" : "=r"(self)::"memory");
  return self;
}
__attribute__((unused)) static void check_block(struct block *block, long mark) {
  check(through_gs() == block);
  check_equal(gs_base() == (unsigned long)block, 1);
  check_equal(block->before_saves, 0);
  check_equal(block->where_trampolines_save[0], mark);
  check_equal(block->where_trampolines_save[1], mark + 1);
}
// System calls of every kind: passed through, answered by the engine, made by the kernel from the gate.
__attribute__((unused)) static void calls_of_each_kind(void) {
  getppid();
  sigset_t set;
  sigprocmask(SIG_BLOCK, 0, &set);
  struct timespec none = {0, 0};
  ppoll(0, 0, &none, &set);
  int file = open("/dev/null", O_RDONLY);
  check(file >= 0);
  close(file);
  void *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED);
  munmap(memory, 4096);
}
__attribute__((unused)) static void many_calls(void) {
  for (int i = 0; i < 20; i++) calls_of_each_kind();
}
