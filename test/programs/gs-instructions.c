// Programs that write and read gs base by instructions: nothing tells the kernel of it.
//
// variants: dynamic static musl
#include "gs.h"
#include <pthread.h>
#include <sys/auxv.h>

enum { FSGSBASE = 2 };

static void write_gs_base(void *base) { __asm__ volatile("wrgsbase %0" ::"r"(base)); }
static void *read_gs_base(void) {
  void *base;
  __asm__ volatile("rdgsbase %0" : "=r"(base));
  return base;
}
static int has_instructions(void) {
  if (getauxval(AT_HWCAP2) & FSGSBASE) return 1;
  say("no FSGSBASE");
  return 0;
}

CASE(reads_0) {
  if (!has_instructions()) return;
  check(read_gs_base() == 0);
  many_calls();
  check(read_gs_base() == 0);
  check_equal(gs_base(), 0);
}

CASE(by_wrgsbase) {
  if (!has_instructions()) return;
  static struct block block;
  prepare(&block, 9);
  write_gs_base(&block);
  check_block(&block, 9);
  many_calls();
  check_block(&block, 9);
  check(read_gs_base() == &block);
  write_gs_base(0);
  check_equal(gs_base(), 0);
}

static struct block main_block;

static void *in_thread(void *argument) {
  long mark = (long)argument;
  struct block block;
  check(read_gs_base() == &main_block);  // a thread starts with its creator's
  prepare(&block, mark);
  for (int i = 0; i < 20; i++) {
    write_gs_base(&block);
    many_calls();
    check_block(&block, mark);
    write_gs_base(0);
    calls_of_each_kind();
    check(read_gs_base() == 0);
  }
  return 0;
}

CASE(threads_write_their_own) {
  if (!has_instructions()) return;
  prepare(&main_block, 60);
  write_gs_base(&main_block);
  pthread_t threads[8];
  for (int round = 0; round < rounds(3); round++) {
    for (long i = 0; i < 8; i++) check_equal(pthread_create(&threads[i], 0, in_thread, (void *)(1000 + i)), 0);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
    check_block(&main_block, 60);
  }
}

static volatile sig_atomic_t handled;
static void write_in_handler(int signal, siginfo_t *info, void *context) {
  static struct block block;
  check(read_gs_base() == &main_block);
  prepare(&block, 31);
  write_gs_base(&block);
  many_calls();
  check_block(&block, 31);
  write_gs_base(&main_block);
  handled++;
}

CASE(handlers_write_it) {
  if (!has_instructions()) return;
  prepare(&main_block, 30);
  write_gs_base(&main_block);
  install(SIGUSR1, write_in_handler, 0);
  for (int i = 0; i < rounds(50); i++) {
    raise(SIGUSR1);
    check_block(&main_block, 30);
  }
  check_equal(handled, rounds(50));
}

CASE(children_inherit) {
  if (!has_instructions()) return;
  prepare(&main_block, 40);
  write_gs_base(&main_block);
  pid_t pid = fork();
  if (pid == 0) {
    check_block(&main_block, 40);
    write_gs_base(0);
    many_calls();
    exit(failures != 0);
  }
  wait_and_say(pid, "fork");
  pid = vfork();
  if (pid == 0) {
    if (through_gs() != &main_block) _exit(3);
    write_gs_base(0);
    _exit(getppid() > 0 ? 0 : 4);
  }
  wait_and_say(pid, "vfork");
  check_block(&main_block, 40);
}
