// Programs that have gs base for themselves: set by arch_prctl and by loading %gs, kept across system calls, signals, clone,
// fork and exec, and different in each thread. There is no rdgsbase or wrgsbase in this file: that would tell the engine
// beforehand (gs-instructions.c).
//
// variants: dynamic static musl
#include "gs.h"
#include <asm/ldt.h>
#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <ucontext.h>

CASE(at_the_start) {
  check_equal(gs_base(), 0);
  unsigned selector = MARK;
  __asm__ volatile("mov %%gs,%0" : "=r"(selector));
  say("selector %u", selector);
  check_equal(set_gs(0), 0);
  check_equal(gs_base(), 0);
}

CASE(by_arch_prctl) {
  static struct block block;
  prepare(&block, 7);
  check_equal(set_gs(&block), 0);
  check_block(&block, 7);
  many_calls();
  check_block(&block, 7);
  check_equal(set_gs(0), 0);
  check_equal(gs_base(), 0);
  many_calls();
}

CASE(errors) {
  long beyond[] = {0x7ffffffff000, 0x800000000000, -1, -4096, (long)0x8000000000000000};
  for (unsigned i = 0; i < sizeof beyond / sizeof *beyond; i++)
    say("ARCH_SET_GS %#lx: %ld", beyond[i], set_gs((void *)beyond[i]));
  say("ARCH_SET_GS one below: %ld", set_gs((void *)0x7fffffffefff));
  check_equal(gs_base(), 0x7fffffffefff);
  check_equal(set_gs(0), 0);
  say("ARCH_GET_GS nowhere: %ld", get_gs((void *)8));
  say("ARCH_GET_GS at the kernel: %ld", get_gs((void *)-4096));
}

// A null or flat selector: the base is gone, or stays, as the processor has it.
CASE(by_mov_and_pop) {
  static struct block block;
  prepare(&block, 11);
  for (int round = 0; round < 3; round++) {
    unsigned selector = round == 2 ? 0x2b : 0;  // __USER_DS
    __asm__ volatile("mov %0,%%gs" ::"r"(selector));
    many_calls();
    unsigned got;
    __asm__ volatile("mov %%gs,%0" : "=r"(got));
    say("mov: selector %#x, base %#lx", got, gs_base());
    check_equal(set_gs(&block), 0);
    __asm__ volatile("mov %%gs,%0" : "=r"(got));
    say("ARCH_SET_GS: selector %#x", got);
    __asm__ volatile("push %0; pop %%gs" ::"r"((long)selector) : "memory");
    many_calls();
    say("pop: base is %s", gs_base() == 0 ? "0" : gs_base() == (unsigned long)&block ? "the block" : "something");
    check_equal(set_gs(&block), 0);
  }
  check_block(&block, 11);
}

// Before anything else: nothing has told the engine that gs is wanted.
CASE(mov_first) {
  __asm__ volatile("mov %0,%%gs" ::"r"(0));
  say("getppid is %s", raw(SYS_getppid, 0, 0, 0, 0, 0, 0) == getppid() ? "right" : "wrong");
  many_calls();
  say("base %#lx", gs_base());
}

static volatile sig_atomic_t handled;
static struct block handler_block, main_block;

static void change_gs(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info, (void)context;
  check_block(&main_block, 20);
  set_gs(&handler_block);
  many_calls();
  check_block(&handler_block, 30);
  handled++;
}

// A signal frame holds no gs base: what a handler leaves in it stays.
CASE(handlers_change_it) {
  prepare(&main_block, 20);
  prepare(&handler_block, 30);
  install(SIGUSR1, change_gs, 0);
  for (int i = 0; i < rounds(50); i++) {
    check_equal(set_gs(&main_block), 0);
    raise(SIGUSR1);
    check_block(&handler_block, 30);
  }
  check_equal(handled, rounds(50));
}

static void look(int signal, siginfo_t *info, void *context) {
  (void)info, (void)context;
  if (signal == SIGALRM && through_gs() != &main_block) {
    say("FAILED: a handler sees gs base %#lx", gs_base());
    failures++;
  }
  calls_of_each_kind();
  handled++;
}

// Signals at any instruction of the ways in and out.
CASE(signal_storm) {
  prepare(&main_block, 40);
  check_equal(set_gs(&main_block), 0);
  install(SIGALRM, look, SA_RESTART);
  struct itimerval timer = {{0, 997}, {0, 997}};
  setitimer(ITIMER_REAL, &timer, 0);
  for (int i = 0; i < rounds(300) || handled < 50; i++) {
    many_calls();
    check(through_gs() == &main_block);
  }
  setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
  check_block(&main_block, 40);
}

static void fault(int signal, siginfo_t *info, void *context) {
  (void)signal;
  ucontext_t *interrupted = context;
  say("fault at %#lx, base %#lx", (long)info->si_addr, gs_base());
  interrupted->uc_mcontext.gregs[REG_RIP] += 9;  // mov %gs:disp32,%reg
}

// Where natively nothing is.
CASE(a_base_without_memory) {
  install(SIGSEGV, fault, 0);
  check_equal(set_gs((void *)0x1000), 0);
  many_calls();
  __asm__ volatile(".byte 0x65,0x48,0x8b,0x04,0x25,0,0,0,0" ::: "rax");
  many_calls();
  check_equal(gs_base(), 0x1000);
}

// ppoll under a mask of its own: which handler runs under what mask must not be mixed up.
static sigset_t mask_in_handler;
static void see_mask(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info, (void)context;
  pthread_sigmask(SIG_BLOCK, 0, &mask_in_handler);
}
CASE(temporary_masks) {
  prepare(&main_block, 50);
  check_equal(set_gs(&main_block), 0);
  install(SIGUSR1, see_mask, 0);
  sigset_t outer, inner;
  sigemptyset(&outer);
  sigaddset(&outer, SIGUSR1);
  sigprocmask(SIG_BLOCK, &outer, 0);
  sigemptyset(&inner);
  sigaddset(&inner, SIGUSR2);
  pid_t child = signal_when_in(SYS_ppoll, SIGUSR1);
  check(ppoll(0, 0, 0, &inner) == -1 && errno == EINTR);
  waitpid(child, 0, 0);
  say("in ppoll: USR1 %d, USR2 %d", sigismember(&mask_in_handler, SIGUSR1), sigismember(&mask_in_handler, SIGUSR2));
  struct timespec none = {0, 0};
  check(ppoll(0, 0, &none, &inner) == 0);
  // Over, so a signal that interrupts the next call does not run under ppoll's mask.
  sigprocmask(SIG_UNBLOCK, &outer, 0);
  child = signal_when_in(SYS_pause, SIGUSR1);
  check(pause() == -1 && errno == EINTR);
  waitpid(child, 0, 0);
  say("in pause: USR1 %d, USR2 %d", sigismember(&mask_in_handler, SIGUSR1), sigismember(&mask_in_handler, SIGUSR2));
  check_block(&main_block, 50);
}

static void *in_thread(void *argument) {
  long mark = (long)argument;
  struct block block;
  check(gs_base() == 0 || through_gs() == &main_block);  // a thread starts with its creator's
  prepare(&block, mark);
  check_equal(set_gs(&block), 0);
  for (int i = 0; i < 10; i++) {
    many_calls();
    check_block(&block, mark);
    if (i == 5) {
      set_gs(0);
      many_calls();
      set_gs(&block);
    }
  }
  return 0;
}

CASE(threads_have_their_own) {
  prepare(&main_block, 60);
  pthread_t threads[8];
  for (int round = 0; round < rounds(5); round++) {
    if (round == 1) check_equal(set_gs(&main_block), 0);
    for (long i = 0; i < 8; i++) check_equal(pthread_create(&threads[i], 0, in_thread, (void *)(1000 + i)), 0);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
    if (round >= 1) check_block(&main_block, 60);
  }
}

static volatile int turn;
static void *in_older_thread(void *unused) {
  (void)unused;
  while (turn == 0) sched_yield();
  many_calls();
  check_equal(gs_base(), 0);
  turn = 2;
  return 0;
}

// A thread that runs while another one sets gs base keeps its own, 0.
CASE(an_older_thread) {
  pthread_t thread;
  check_equal(pthread_create(&thread, 0, in_older_thread, 0), 0);
  prepare(&main_block, 70);
  check_equal(set_gs(&main_block), 0);
  turn = 1;
  while (turn != 2) many_calls();
  pthread_join(thread, 0);
  check_block(&main_block, 70);
}

static volatile int stop;
static void *call_on(void *unused) {
  while (!stop) calls_of_each_kind();
  return 0;
}

// Others run through the trampolines, and are interrupted there, while they change.
CASE(set_while_others_call) {
  prepare(&main_block, 75);
  install(SIGALRM, (void (*)(int, siginfo_t *, void *))calls_of_each_kind, SA_RESTART);
  for (int i = 0; i < rounds(20); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      pthread_t threads[4];
      for (int t = 0; t < 4; t++) check_equal(pthread_create(&threads[t], 0, call_on, 0), 0);
      setitimer(ITIMER_REAL, &(struct itimerval){{0, 997}, {0, 997}}, 0);
      usleep(2000);
      check_equal(set_gs(&main_block), 0);
      many_calls();
      check_block(&main_block, 75);
      stop = 1;
      for (int t = 0; t < 4; t++) pthread_join(threads[t], 0);
      setitimer(ITIMER_REAL, &(struct itimerval){0}, 0);
      check_block(&main_block, 75);
      exit(failures != 0);
    }
    wait_and_say(pid, "switched");
  }
}

CASE(forks_inherit) {
  prepare(&main_block, 80);
  check_equal(set_gs(&main_block), 0);
  pid_t pid = fork();
  if (pid == 0) {
    check_block(&main_block, 80);
    many_calls();
    prepare(&handler_block, 81);
    check_equal(set_gs(&handler_block), 0);
    many_calls();
    check_block(&handler_block, 81);
    exit(failures != 0);
  }
  wait_and_say(pid, "fork");
  check_block(&main_block, 80);
  pid = vfork();
  if (pid == 0) {
    if (through_gs() != &main_block) _exit(3);
    write(1, "in vfork\n", 9);
    set_gs(&handler_block);
    _exit(gs_base() == (unsigned long)&handler_block ? 0 : 4);
  }
  wait_and_say(pid, "vfork");
  check_block(&main_block, 80);
}

// In a child that shares its memory, and sets gs base first.
CASE(vfork_sets_it) {
  static struct block block;
  prepare(&block, 85);
  pid_t pid = vfork();
  if (pid == 0) {
    set_gs(&block);
    _exit(through_gs() == &block ? 0 : 4);
  }
  wait_and_say(pid, "vfork");
  check_equal(gs_base(), 0);
  many_calls();
}

CASE(exec_begins_with_0) {
  if (getenv("GS_BASE_EXECUTED")) {
    check_equal(gs_base(), 0);
    say("executed");
    return;
  }
  prepare(&main_block, 90);
  check_equal(set_gs(&main_block), 0);
  setenv("GS_BASE_EXECUTED", "1", 1);
  execl("/proc/self/exe", case_argv[0], "exec_begins_with_0", NULL);
  check(0);
}

static int word;
static char raw_stack[65536] __attribute__((aligned(16)));

// Without a thread area of its own the child has its parent's fs base and gs base, and no libc.
static long in_raw_clone(void) {
  struct block *self = through_gs();
  if (self != &main_block) return 1;
  struct block block;
  for (unsigned i = 0; i < sizeof block / sizeof(long); i++) ((volatile long *)&block)[i] = 0;
  *(struct block *volatile *)&block.self = &block;
  if (raw(SYS_arch_prctl, ARCH_SET_GS, (long)&block, 0, 0, 0, 0) != 0) return 2;
  for (int i = 0; i < 50; i++) {
    unsigned long set;
    if (raw(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&set, 8, 0, 0) != 0) return 3;
    if (raw(SYS_getppid, 0, 0, 0, 0, 0, 0) <= 0) return 4;
    if (through_gs() != &block) return 5;
  }
  return 6;
}

CASE(raw_clone) {
  prepare(&main_block, 95);
  check_equal(set_gs(&main_block), 0);
  for (int i = 0; i < rounds(20); i++) {
    __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
    static volatile long result;
    result = 0;
    long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    register long r10 __asm__("r10") = (long)&word;
    register long r8 __asm__("r8") = 0;
    long tid;
    __asm__ volatile(
        "syscall; test %%rax,%%rax; jnz 1f\n"
        "call *%[child]; mov %%rax,%[result]; mov $60,%%eax; xor %%edi,%%edi; syscall\n"
        "1:"
        : "=a"(tid), [result] "+m"(result)
        : "a"(SYS_clone), "D"(flags), "S"(raw_stack + sizeof raw_stack), "d"(0), "r"(r10), "r"(r8),
          [child] "b"(in_raw_clone)
        : "rcx", "r11", "memory");
    check(tid > 0);
    while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) != 0) raw(SYS_futex, (long)&word, FUTEX_WAIT, 1, 0, 0, 0);
    check_equal(result, 6);
    check_block(&main_block, 95);
  }
}

CASE(libraries_afterwards) {
  prepare(&main_block, 100);
  check_equal(set_gs(&main_block), 0);
  void *library = dlopen("libm.so.6", RTLD_NOW);
  say("dlopen: %s", library || dlerror() ? "done" : "nothing");
  many_calls();
  check_block(&main_block, 100);
}

static long modify_ldt(int function, void *pointer, unsigned long size) {
  return raw(SYS_modify_ldt, function, (long)pointer, (long)size, 0, 0, 0);
}

static unsigned data_selector(unsigned entry) { return entry << 3 | 7; }

static void with_segments(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info, (void)context;
  unsigned ds, es, gs;
  __asm__ volatile("mov %%ds,%0; mov %%es,%1; mov %%gs,%2" : "=r"(ds), "=r"(es), "=r"(gs));
  say("in the handler: ds %#x es %#x gs %#x, first word %#x", ds, es, gs, *(unsigned __seg_gs *)0);
  many_calls();
}

// Descriptors of the program's own, in every data segment register.
CASE(descriptors) {
  unsigned *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  check(low != MAP_FAILED);
  low[0] = 0xabcdef;
  struct user_desc description = {0};
  description.entry_number = 3;
  description.base_addr = (unsigned)(unsigned long)low;
  description.limit = 0xfffff;
  description.seg_32bit = 1;
  description.limit_in_pages = 1;
  description.useable = 1;
  long result = modify_ldt(0x11, &description, sizeof description);
  say("modify_ldt: %ld", result);
  if (result != 0) return;
  unsigned selector = data_selector(3), old_ds, old_es, old_fs;
  unsigned long fs;
  raw(SYS_arch_prctl, ARCH_GET_FS, (long)&fs, 0, 0, 0, 0);
  __asm__ volatile("mov %%ds,%0; mov %%es,%1; mov %%fs,%2" : "=r"(old_ds), "=r"(old_es), "=r"(old_fs));
  __asm__ volatile("mov %0,%%gs" ::"r"(selector));
  check_equal(*(unsigned __seg_gs *)0, 0xabcdef);
  many_calls();
  check_equal(*(unsigned __seg_gs *)0, 0xabcdef);
  __asm__ volatile("mov %0,%%ds; mov %0,%%es" ::"r"(selector));
  many_calls();
  install(SIGUSR1, with_segments, 0);
  raise(SIGUSR1);
  unsigned ds, es, gs;
  __asm__ volatile("mov %%ds,%0; mov %%es,%1; mov %%gs,%2" : "=r"(ds), "=r"(es), "=r"(gs));
  say("ds %#x es %#x gs %#x", ds, es, gs);
  __asm__ volatile("mov %0,%%ds; mov %1,%%es" ::"r"(old_ds), "r"(old_es));
  // %fs, without libc in between.
  unsigned seen;
  __asm__ volatile("mov %1,%%fs; mov %%fs:0,%0" : "=r"(seen) : "r"(selector));
  long pid = raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
  unsigned long set;
  raw(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&set, 8, 0, 0);
  unsigned again;
  __asm__ volatile("mov %%fs:0,%0" : "=r"(again));
  raw(SYS_arch_prctl, ARCH_SET_FS, (long)fs, 0, 0, 0, 0);
  check_equal(seen, 0xabcdef);
  check_equal(again, 0xabcdef);
  check(pid > 0);
  say("base of gs: %s", gs_base() == (unsigned long)low ? "the descriptor's" : "another");
}

// The other options of arch_prctl, as far as they change nothing for good.
CASE(other_options) {
  unsigned long value = 0;
  check_equal(raw(SYS_arch_prctl, ARCH_GET_FS, (long)&value, 0, 0, 0, 0), 0);
  check_equal(raw(SYS_arch_prctl, ARCH_SET_FS, (long)value, 0, 0, 0, 0), 0);
  say("fs out of range: %ld", raw(SYS_arch_prctl, ARCH_SET_FS, -1, 0, 0, 0, 0));
  static const struct {
    const char *name;
    int option;
    long argument;
  } options[] = {
      {"ARCH_GET_CPUID", 0x1011, 0},
      {"ARCH_SET_CPUID on", 0x1012, 1},
      {"ARCH_REQ_XCOMP_PERM nothing", 0x1023, 63},
      {"ARCH_REQ_XCOMP_PERM AMX", 0x1023, 18},
      {"ARCH_ENABLE_TAGGED_ADDR", 0x4002, 6},
      {"ARCH_FORCE_TAGGED_SVA", 0x4004, 0},
      {"ARCH_SHSTK_ENABLE", 0x5001, 1},
      {"ARCH_SHSTK_DISABLE", 0x5002, 1},
      {"ARCH_SHSTK_LOCK", 0x5003, 0},
      {"ARCH_SHSTK_UNLOCK", 0x5004, 1},
      {"no option", 0x7777, 0},
  };
  for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
    say("%s: %ld", options[i].name, raw(SYS_arch_prctl, options[i].option, options[i].argument, 0, 0, 0, 0));
  static const int asking[] = {0x1021, 0x1022, 0x1024, 0x4001, 0x4003, 0x5005};
  for (unsigned i = 0; i < sizeof asking / sizeof *asking; i++) {
    value = 0;
    long result = raw(SYS_arch_prctl, asking[i], (long)&value, 0, 0, 0, 0);
    say("%#x: %ld, %#lx; nowhere: %ld", asking[i], result, value,
        raw(SYS_arch_prctl, asking[i], 8, 0, 0, 0, 0));
  }
  many_calls();
}
