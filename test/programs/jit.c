// Code that a program makes: written in place, published, changed, moved and freed, by several threads.
//
// variants: dynamic static musl-static
// options:
// options: --match=call
// options: --match=all
#include "cases.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#define PAGE 4096
#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

typedef long (*function)(long);

static unsigned char *memory(long pages, int protection) {
  unsigned char *code = mmap(0, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(code != MAP_FAILED);
  return code;
}

// ---- What the code is: each emitter gives where it ends

static unsigned char *bytes(unsigned char *at, const void *from, int size) {
  memcpy(at, from, size);
  return at + size;
}
#define EMIT(at, ...) bytes(at, (const unsigned char[]){__VA_ARGS__}, sizeof(const unsigned char[]){__VA_ARGS__})

static unsigned char *word(unsigned char *at, int value) { return bytes(at, &value, 4); }

// push %rbp; mov %rsp,%rbp; lea n(%rdi),%rax; pop %rbp; ret
static unsigned char *adds(unsigned char *at, int n) {
  at = EMIT(at, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x8d, 0x87);
  return EMIT(word(at, n), 0x5d, 0xc3);
}

// push %rbp; mov %rsp,%rbp; call other; pop %rbp; ret
static unsigned char *calls(unsigned char *at, const unsigned char *other) {
  at = EMIT(at, 0x55, 0x48, 0x89, 0xe5, 0xe8);
  return EMIT(word(at, (int)(other - (at + 4))), 0x5d, 0xc3);
}

// mov $readlink,%eax; mov %rdi,%rsi...: whether /proc/self/exe, read by code made here, is the program.
static const char self[] = "/proc/self/exe";
static char target[256];
static unsigned char *reads_link(unsigned char *at) {
  // push %rbp; mov %rsp,%rbp; movabs $self,%rdi; movabs $target,%rsi; mov $255,%edx; mov $89,%eax; syscall; pop %rbp; ret
  const void *from = self, *to = target;
  at = EMIT(at, 0x55, 0x48, 0x89, 0xe5, 0x48, 0xbf);
  at = EMIT(bytes(at, &from, 8), 0x48, 0xbe);
  return EMIT(bytes(at, &to, 8), 0xba, 255, 0, 0, 0, 0xb8, 89, 0, 0, 0, 0x0f, 0x05, 0x5d, 0xc3);
}

static int is_program(const unsigned char *code) {
  memset(target, 0, sizeof target);
  long size = ((function)code)(0);
  const char *base = strrchr(case_argv[0], '/');
  base = base ? base + 1 : case_argv[0];
  return size > 0 && size >= (long)strlen(base) && strcmp(target + size - strlen(base), base) == 0;
}

static long run(const unsigned char *code, long argument) { return ((function)code)(argument); }

// ---- One thread

CASE(written_in_place) {
  unsigned char *code = memory(1, RWX);
  int good = 0;
  for (int i = 0; i < 12; i++) {
    unsigned char *next = reads_link(code + 100 * i);
    good += is_program(code + 100 * i);
    adds(next, i);
    good += run(next, 5) == 5 + i;
  }
  say("good %d", good);
}

CASE(rewritten_too_often) {
  unsigned char *code = memory(1, RWX);
  long good = 0;
  for (int i = 0; i < rounds(600); i++) {
    adds(code, i);
    good += run(code, 1000) == 1000 + i;
  }
  check_equal(good, rounds(600));
}

CASE(published_one_by_one) {
  enum { count = 1000 };
  static unsigned char *start[count];
  unsigned char *code = memory(16, RW), *at = code;
  long good = 0;
  for (int i = 0; i < count; i++) {
    check(mprotect(code, 16 * PAGE, RW) == 0);
    start[i] = at;
    at = i % 3 == 2 ? calls(at, start[i - 1]) : adds(at, i);
    check(mprotect(code, 16 * PAGE, RX) == 0);
    int other = i % 7 ? i : i / 7;
    good += run(start[other], 1) == 1 + (other % 3 == 2 ? other - 1 : other);
  }
  say("good %ld", good);
}

// Who makes code writable reads what is there, and adds to it.
CASE(relocated_in_place) {
  unsigned char *code = memory(4, RW), *outer = code + 3 * PAGE - 20;
  adds(code, 7);
  calls(outer, code);
  for (int i = 0; i < 50; i++) {
    check(mprotect(code, 4 * PAGE, RX) == 0);
    check_equal(run(outer, 1), 8 + (long)i * 16);
    check(mprotect(code, 4 * PAGE, RW) == 0);
    int distance, n;
    memcpy(&distance, outer + 5, 4);
    check_equal(distance, (code + i * 32) - (outer + 9));
    memcpy(&n, code + i * 32 + 7, 4);
    adds(code + (i + 1) * 32, n + 16);
    distance += 32;
    memcpy(outer + 5, &distance, 4);
  }
  say("done");
}

CASE(changes_itself) {
  // add $1,immediate(%rip); lea n(%rdi),%rax; ret: each call adds one more.
  unsigned char *code = memory(1, RWX), *at = EMIT(code, 0x83, 0x05);
  at = EMIT(word(at, 3), 1, 0x48, 0x8d, 0x87);
  EMIT(word(at, 0), 0xc3);
  for (int i = 1; i < 40; i++) check_equal(run(code, 100), 100 + i);
  say("done");
}

// Constants that look like system calls and calls, in front of, between and behind functions.
CASE(constants_among_code) {
  static const unsigned char pool[16] = {0x0f, 0x05, 0xff, 0xd0, 0xe8, 0x0f, 0x05, 0x90, 0xc3, 0x0f, 0x05, 0x41, 0xff, 0xd2, 0xff, 0x10};
  unsigned char *code = memory(4, RW), *at = code, *start[40], *pools[40];
  for (int i = 0; i < 40; i++) {
    pools[i] = at;
    start[i] = at = bytes(at, pool, 16);
    // mov pool(%rip),%rax; xor pool+8(%rip),%rax; call over a pool to `pop %rdx`; xor (%rdx),%rax; ret
    at = EMIT(at, 0x48, 0x8b, 0x05), at = word(at, (int)(pools[i] - (at + 4)));
    at = EMIT(at, 0x48, 0x33, 0x05), at = word(at, (int)(pools[i] + 8 - (at + 4)));
    at = EMIT(at, 0xe8, 16, 0, 0, 0);
    at = bytes(at, pool, 16);
    at = EMIT(at, 0x5a, 0x48, 0x33, 0x02, 0xc3);
    at = bytes(at, pool, i % 5);
  }
  long expected, first, second;
  memcpy(&first, pool, 8), memcpy(&second, pool + 8, 8);
  expected = first ^ second ^ first;
  for (int protection = 0; protection < 2; protection++) {
    check(mprotect(code, 4 * PAGE, protection ? RWX : RX) == 0);
    long good = 0;
    for (int i = 0; i < 40; i++) good += run(start[i], 0) == expected;
    for (int i = 0; i < 40; i++) good += memcmp(pools[i], pool, 16) == 0;
    say("good %ld", good);
  }
}

CASE(only_executable) {
  unsigned char *code = memory(2, RW);
  reads_link(code), adds(code + PAGE - 5, 3);
  check(mprotect(code, 2 * PAGE, PROT_EXEC) == 0);
  say("%d %ld", is_program(code), run(code + PAGE - 5, 1));
  check(mprotect(code, 2 * PAGE, PROT_WRITE | PROT_EXEC) == 0);
  adds(code + PAGE - 5, 4);
  say("%d %ld", is_program(code), run(code + PAGE - 5, 1));
}

static int count_mappings(void) {
  char buffer[4096];
  int file = open("/proc/self/maps", O_RDONLY), count = 0;
  for (long size; (size = read(file, buffer, sizeof buffer)) > 0;)
    for (long i = 0; i < size; i++) count += buffer[i] == '\n';
  close(file);
  return count;
}

// Each function has 4 GiB for itself. What it needed in its reach goes with it: the last one is as well off as the first. Half of them are
// where AddressSanitizer would have its shadow.
CASE(far_from_each_other) {
  enum { places = 200 };
  int good = 0, trapped, others = 0, few = 0;
  for (long i = 0; i < places; i++) {
    long start = i & 1 ? 0x080000000000 : 0x200000000000;
    unsigned char *code = mmap((void *)(start + (i << 32)), PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char *end = reads_link(code);
    check(mprotect(code, PAGE, RX) == 0);
    good += is_program(code);
    int is_trap = memcmp(end - 4, "\x0f\x0b", 2) == 0;
    if (i == 0) trapped = is_trap;
    others += is_trap != trapped;
    check(munmap(code, PAGE) == 0);
    if (i == 10) few = count_mappings();
  }
  check_equal(good, places);
  check_equal(others, 0);
  check(count_mappings() < few + places / 2);
}

// `mov $getpid,%eax; syscall; ret` so often, and in front of them a function that calls them all, which is `start`.
static void crowd(unsigned char *start, int count) {
  unsigned char *at = start, *each = start + 5 * count + 1;
  for (int i = 0; i < count; i++, each += 8) {
    at = word(EMIT(at, 0xe8), (int)(each - (at + 5)));
    EMIT(each, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3);
  }
  EMIT(at, 0xc3);
}

// In the middle of so much memory that no trampoline is in reach: system calls become traps.
static unsigned char *memory_without_trampolines(long pages) {
  static unsigned char *reserved, *place;
  if (place == 0) {
    reserved = mmap(0, 5L << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(reserved != MAP_FAILED);
    place = reserved + (5L << 29);
  }
  unsigned char *code = mmap(place, pages * PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  check(code == place);
  place += 1 << 20;
  return code;
}

static sigjmp_buf illegal;
static void leave_illegal(int signal) {
  (void)signal;
  siglongjmp(illegal, 1);
}

CASE(illegal_where_a_call_was) {
  unsigned char *code = memory_without_trampolines(1);
  crowd(code, 8);
  check_equal(run(code, 0), getpid());
  unsigned char *call = code + 8 * 5 + 1 + 5;
  EMIT(call, 0x0f, 0xff);
  struct sigaction action = {.sa_handler = leave_illegal}, before;
  sigaction(SIGILL, &action, &before);
  if (sigsetjmp(illegal, 1) == 0) say("went on with %ld", run(code, 0));
  else say("illegal");
  sigaction(SIGILL, &before, 0);
  EMIT(call, 0x0f, 0x05);
  check_equal(run(code, 0), getpid());
}

CASE(moved_and_dropped) {
  unsigned char *code = memory(4, RWX), *place = memory(8, PROT_NONE);
  reads_link(code + PAGE - 20), adds(code + 3 * PAGE, 3);
  check(is_program(code + PAGE - 20) && run(code + 3 * PAGE, 1) == 4);
  unsigned char *moved = mremap(code, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  check(moved == place && is_program(moved + PAGE - 20) && run(moved + 3 * PAGE, 1) == 4);
  moved = mremap(moved, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
  check(moved != MAP_FAILED && is_program(moved + PAGE - 20));
  reads_link(moved + 5 * PAGE);
  check(is_program(moved + 5 * PAGE));
  check(madvise(moved + PAGE, PAGE, MADV_DONTNEED) == 0 && moved[PAGE] == 0 && moved[2 * PAGE - 1] == 0);
  reads_link(moved + PAGE - 20);
  check(is_program(moved + PAGE - 20));
  // Half of what a patch may have been written to goes away.
  check(munmap(moved + PAGE, PAGE) == 0 && run(moved + 3 * PAGE, 1) == 4);
  check(mmap(moved + PAGE, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == moved + PAGE);
  adds(moved + PAGE - 20, 9);
  check(run(moved + PAGE - 20, 1) == 10);
  say("done");
}

CASE(written_by_the_kernel) {
  unsigned char source[PAGE], *code = memory(3, RWX);
  int ends[2], pipes[2];
  memset(source, 0x90, sizeof source);
  long size = reads_link(source) - source;
  check(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0 && pipe(pipes) == 0);
  for (int i = 0; i < 6; i++) {
    adds(code, i), adds(code + PAGE, i);
    check(run(code, 1) == 1 + i && run(code + PAGE, 1) == 1 + i);
    check_equal(write(i < 5 ? ends[1] : pipes[1], source, size), size);
    unsigned char *at = code + PAGE - 10;
    struct iovec vector[2] = {{at, 10}, {at + 10, size - 10}};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = vector, .msg_iovlen = 2}};
    long got = i == 0   ? read(ends[0], at, size)
               : i == 1 ? readv(ends[0], vector, 2)
               : i == 2 ? recvmsg(ends[0], &message.msg_hdr, 0)
               : i == 3 ? recv(ends[0], at, size, 0)
               : i == 4 ? recvmmsg(ends[0], &message, 1, 0, 0) * size
                        : vmsplice(pipes[0], vector, 2, 0);
    check_equal(got, size);
    check(is_program(at));
  }
  // What was run can be written to a file, and read into again, while it may only be written.
  check(mprotect(code, 3 * PAGE, RX) == 0 && is_program(code + PAGE - 10));
  check(mprotect(code, 3 * PAGE, RW) == 0);
  check_equal(write(ends[1], code + PAGE - 10, size), size);
  check_equal(read(ends[0], code + 2 * PAGE - 10, size), size);
  check(memcmp(code + 2 * PAGE - 10, source, size) == 0);
  say("done");
}

// Faults that the program means: it writes to its code, and makes it writable in the handler.
static unsigned char *guarded;
static volatile int faults;
static void make_writable(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  faults += info->si_code == SEGV_ACCERR && (unsigned char *)info->si_addr >= guarded && (unsigned char *)info->si_addr < guarded + PAGE;
  if (faults > 100 || mprotect(guarded, PAGE, RW) != 0) _exit(9);
}
CASE(own_handler) {
  struct sigaction action = {.sa_sigaction = make_writable, .sa_flags = SA_SIGINFO};
  check(sigaction(SIGSEGV, &action, 0) == 0);
  guarded = memory(1, RW);
  for (int i = 0; i < 30; i++) {
    adds(guarded + 8 * i, i);
    check(faults == i);
    check(mprotect(guarded, PAGE, RX) == 0 && run(guarded + 8 * i, 1) == 1 + i);
  }
  say("faults %d", faults);
}

// It runs what it may not.
static sigjmp_buf back;
static volatile long fault_address, fault_code;
static void jump_back(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  fault_address = (long)info->si_addr, fault_code = info->si_code;
  siglongjmp(back, 1);
}
CASE(not_executable) {
  struct sigaction action = {.sa_sigaction = jump_back, .sa_flags = SA_SIGINFO};
  check(sigaction(SIGSEGV, &action, 0) == 0);
  unsigned char *code = memory(2, RWX);
  for (int i = 0; i < 6; i++) {
    adds(code + 100, i);
    check(run(code + 100, 1) == 1 + i);
    check(mprotect(code, PAGE, i % 2 ? RW : PROT_READ) == 0);
    if (sigsetjmp(back, 1) == 0) say("ran %ld", run(code + 100, 1));
    else say("at %ld, code %ld", fault_address - (long)code, fault_code);
    check(mprotect(code, PAGE, RWX) == 0);
  }
}

// Not a byte of address space for trampolines, then a little more each time. Trampolines keep some memory for what comes next; once
// there is some wherever a pun leads, it does not become more.
CASE(without_memory) {
  char text[64] = "";
  int statm = open("/proc/self/statm", O_RDONLY);
  struct rlimit old, limit;
  getrlimit(RLIMIT_AS, &old);
  long most = 0, grown = 0, good = 0;
  for (int i = 0; i < 500; i++) {
    unsigned char *code = memory(4, i % 2 ? RWX : RW);
    reads_link(code), adds(code + PAGE - 5, i), calls(code + 2 * PAGE, code + PAGE - 5);
    long size = pread(statm, text, sizeof text - 1, 0);
    check(size > 0);
    limit = old;
    limit.rlim_cur = (strtoul(text, 0, 10) + (unsigned long)(i < 80 ? i : 80) / 2 * 5) * PAGE;
    check(setrlimit(RLIMIT_AS, &limit) == 0);
    if (i % 2 == 0) check(mprotect(code, 4 * PAGE, RX) == 0);
    good += is_program(code) && run(code + PAGE - 5, 1) == 1 + i && run(code + 2 * PAGE, 1) == 1 + i;
    check(setrlimit(RLIMIT_AS, &old) == 0);
    check(munmap(code, 4 * PAGE) == 0);
    check(pread(statm, text, sizeof text - 1, 0) > 0);
    size = strtol(text, 0, 10);
    if (i >= 400 && size - most > grown) grown = size - most;
    if (i >= 300 && i < 400 && size > most) most = size;
  }
  check(grown < 100);
  say("good %ld", good);
}

// ---- Several threads

static unsigned char *shared;
static volatile int stop;

static void *run_first(void *argument) {
  (void)argument;
  long bad = 0;
  while (!stop) bad += run(shared, 1) != 3;
  return (void *)bad;
}

static long with_runners(int count, void (*act)(int), int times) {
  pthread_t threads[4];
  stop = 0;
  for (int i = 0; i < count; i++) pthread_create(&threads[i], 0, run_first, 0);
  for (int i = 0; i < times; i++) act(i);
  stop = 1;
  long sum = 0;
  for (int i = 0; i < count; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  return sum;
}

static void write_neighbour(int i) {
  unsigned char *place = shared + 64 + i % 50 * 64;
  adds(place, i);
  check_equal(run(place, 1), 1 + i);
}
CASE(neighbours_on_a_page) {
  shared = memory(1, RWX);
  calls(shared, shared + 40), adds(shared + 40, 2);
  say("bad %ld", with_runners(3, write_neighbour, rounds(300)));
}

// Code whose last instruction lies on two pages writes to the second of them.
CASE(writes_behind_itself) {
  unsigned char *code = memory(2, RWX), *data = code + PAGE + 64, *start = code + PAGE - 41;
  // mov %edi,data(%rip); then up to the syscall's first byte on the first page.
  reads_link(word(EMIT(start, 0x89, 0x3d), (int)(data - (start + 6))));
  check(code[PAGE - 1] == 0x0f && code[PAGE] == 0x05);
  long good = 0;
  for (int i = 0; i < 200; i++) {
    int n;
    good += run(start, i) > 0;
    memcpy(&n, data, 4);
    check_equal(n, i);
  }
  say("good %ld", good);
}

// The text of a code generator, made here itself: its constants hold `mov $0,%eax; syscall`, and are no code.
CASE(constants_hold_code) {
  unsigned char *code = memory(1, RW);
  const unsigned char constant[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};
  long expected;
  memcpy(&expected, constant, sizeof expected);
  for (int i = 0; i < 20; i++) {
    // push %rbp; mov %rsp,%rbp; movabs $constant,%rax; pop %rbp; ret
    unsigned char *at = EMIT(code + 64 * i, 0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8);
    at = EMIT(bytes(at, constant, 8), 0x5d, 0xc3);
    reads_link(at + 8);
  }
  check(mprotect(code, PAGE, RX) == 0);
  for (int i = 0; i < 20; i++) check_equal(run(code + 64 * i, 0), expected);
  say("done");
}

// Mono's trampolines: a call, and data behind it that the callee finds by its return address. It never returns there. The data of the first
// decodes as a call, up to where the second begins.
static unsigned char *data_behind_call(unsigned char *at, const unsigned char *callee, long data) {
  at = EMIT(at, 0xe8);
  return bytes(EMIT(word(at, (int)(callee - (at + 4))), 8), &data, 8);
}

static void finds_data(unsigned char *code, unsigned char *first, unsigned char *callee) {
  static const long data[] = {0x55b591ffac40, 0x55b591a447c0};
  // mov %r11,-0x18(%rsp); pop %r11; mov 1(%r11),%rax; ret
  EMIT(callee, 0x4c, 0x89, 0x5c, 0x24, 0xe8, 0x41, 0x5b, 0x49, 0x8b, 0x43, 1, 0xc3);
  unsigned char *second = data_behind_call(first, callee, data[0]);
  data_behind_call(second, callee, data[1]);
  // push %rbx; call first; mov %rax,%rbx; call second; add %rbx,%rax; pop %rbx; ret
  unsigned char *at = EMIT(code, 0x53, 0xe8);
  at = EMIT(word(at, (int)(first - (at + 4))), 0x48, 0x89, 0xc3, 0xe8);
  EMIT(word(at, (int)(second - (at + 4))), 0x48, 0x01, 0xd8, 0x5b, 0xc3);
}

// Beside their callers, on the next page, and across its border; what they call is there, too, or elsewhere.
static void make_finders(unsigned char *code) {
  finds_data(code, code + 64, code + 1024);
  finds_data(code + 2 * PAGE, code + 3 * PAGE - 3, code + 1024);
  finds_data(code + 4 * PAGE, code + 5 * PAGE - 5, code + 5 * PAGE + 1024);
}
CASE(data_behind_calls) {
  static const long sum = 0x55b591ffac40 + 0x55b591a447c0;
  unsigned char *code = memory(6, RWX), *published = memory(6, RW);
  make_finders(code), make_finders(published);
  check(mprotect(published, 6 * PAGE, RX) == 0);
  for (int i = 0; i < 6; i += 2) {
    check_equal(run(code + i * PAGE, 0), sum);
    check_equal(run(published + i * PAGE, 0), sum);
  }
  say("done");
}

// Data beside code that is written while it runs, as HotSpot has it: tables of bytes, some of which are those of a system call.
static const unsigned char numbered_call[] = {0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const unsigned char popped_call[] = {0x6a, 39, 0x58, 0x0f, 0x05, 0x48, 0x89, 0xc3};
static const unsigned char moves[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf1, 0x48, 0x89, 0xf2, 0x48, 0x89, 0xf3};

// mov table(%rip),%rax; ret
static void reads_table(unsigned char *at, const unsigned char *table) {
  at = EMIT(at, 0x48, 0x8b, 0x05);
  EMIT(word(at, (int)(table - at - 4)), 0xc3);
}

static void check_table(const unsigned char *reader, const unsigned char *table) {
  long expected;
  memcpy(&expected, table, sizeof expected);
  check_equal(run(reader, 0), expected);
}

CASE(table_beside_code) {
  unsigned char *code = memory(1, RWX), *table = code + 128;
  bytes(bytes(table - sizeof moves, moves, sizeof moves), popped_call, sizeof popped_call);
  reads_table(code, table);
  check_table(code, popped_call);
  say("done");
}

// What led to code leads to a table now: a branch that is not taken any more.
CASE(table_where_code_was) {
  unsigned char *code = memory(2, RWX), *place = code + PAGE + 128, *reader = place + 128;
  // test %rdi,%rdi; je 1f; call place; 1: ret
  unsigned char *at = EMIT(code, 0x48, 0x85, 0xff, 0x74, 5, 0xe8);
  EMIT(word(at, (int)(place - at - 4)), 0xc3);
  adds(place, 5);
  check_equal(run(code, 1), 6);
  bytes(place, numbered_call, 8);
  reads_table(reader, place);
  bytes(code + 64, numbered_call + 5, 2);
  run(code, 0);
  check_table(reader, numbered_call);
  say("done");
}

// A part of two pages is written, again and again: the rest is as it was. Functions lie across the border, too.
enum { PLACES = 38, PLACE = 200, ADDS = 0, CALLS, READS_LINK, CHOOSES, KINDS };
static struct made {
  unsigned char *entry;
  int kind, n;
} made[PLACES];

static unsigned random_state;
static int below(int n) {
  random_state = random_state * 1103515245 + 12345;
  return (int)((random_state >> 16) % (unsigned)n);
}

static void make(int i) {
  struct made *it = &made[i];
  // Every other time the function stays what it is, with another constant.
  if (!it->entry || below(2)) it->kind = below(KINDS), it->entry = shared + 256 + i * PLACE + below(8);
  it->n = below(1 << 20);
  unsigned char draft[PLACE] = {0}, *at = draft;
  if (it->kind == ADDS) at = adds(at, it->n);
  if (it->kind == CALLS) {
    at = calls(at, at + 100);
    unsigned char *end = adds(draft + 100, it->n);
    memcpy(it->entry + 100, draft + 100, end - (draft + 100));
  }
  if (it->kind == READS_LINK) at = reads_link(at);
  if (it->kind == CHOOSES) {
    // test %rdi,%rdi; je 1f; lea n(%rdi),%rax; ret; 1: mov $n,%eax; ret
    at = EMIT(at, 0x48, 0x85, 0xff, 0x74, 8, 0x48, 0x8d, 0x87);
    at = EMIT(word(EMIT(word(at, it->n), 0xc3, 0xb8), it->n), 0xc3);
  }
  // What was there before stays behind it.
  memcpy(it->entry, draft, at - draft);
}

static void run_made(int i) {
  // A system call amid remains of other functions, which control is not known to reach, may stay as it is: only --exhaustive
  // catches it for sure.
  if (made[i].kind == READS_LINK) check(run(made[i].entry, 0) > 0);
  else check_equal(run(made[i].entry, i % 3), i % 3 + made[i].n);
}

static int part_protection;
static void change_a_part(int step) {
  if (part_protection == RX) check(mprotect(shared, 2 * PAGE, RW) == 0);
  for (int i = 0; step == 0 && i < PLACES; i++) make(i);
  for (int count = below(3); count >= 0; count--) make(below(PLACES));
  if (part_protection == RX) check(mprotect(shared, 2 * PAGE, RX) == 0);
  for (int i = 0; i < 8; i++) run_made(below(PLACES));
  // A page that is written and run in turns a thousand times a second has data beside its code, and is left alone.
  if (part_protection == RWX) usleep(5000);
}

static void change_parts(int protection, int times) {
  part_protection = protection;
  shared = memory(2, protection == RX ? RW : RWX);
  memset(made, 0, sizeof made);
  random_state = 1;
  for (int i = 0; i < times; i++) change_a_part(i);
  for (int i = 0; i < PLACES; i++) run_made(i);
  say("done");
}
CASE(part_published) { change_parts(RX, rounds(1000)); }
CASE(part_in_place) { change_parts(RWX, rounds(200)); }

CASE(part_beside_runners) {
  part_protection = RWX;
  shared = memory(2, RWX);
  calls(shared, shared + 40), adds(shared + 40, 2);
  random_state = 2;
  say("bad %ld", with_runners(2, change_a_part, rounds(200)));
}

// Functions that only pointers lead to, and that threads come to for the first time at once.
static void *run_all(void *argument) {
  long bad = 0;
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < 30; i++) bad += run((unsigned char *)argument + i * 128, 1) != 1 + i;
  return (void *)bad;
}

static long run_all_together(unsigned char *code) {
  pthread_t threads[4];
  long sum = 0;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, run_all, code);
  for (int i = 0; i < 4; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  return sum;
}
CASE(entered_together) {
  long bad = 0;
  for (int i = 0; i < rounds(20); i++) {
    unsigned char *code = memory(1, RW);
    for (int k = 0; k < 30; k++) {
      adds(code + k * 128 + 64, k);
      calls(code + k * 128, code + k * 128 + 64);
    }
    check(mprotect(code, PAGE, RX) == 0);
    bad += run_all_together(code);
    check(mprotect(code, PAGE, RW) == 0);
    calls(code, code + 64);
    check(mprotect(code, PAGE, RX) == 0);
    bad += run_all_together(code);
    check(munmap(code, PAGE) == 0);
  }
  say("bad %ld", bad);
}

static void write_other_page(int i) {
  unsigned char *place = shared + PAGE * (1 + i % 60);
  reads_link(place);
  check(is_program(place));
  if (i % 60 == 59) check(madvise(shared + PAGE, 60 * PAGE, MADV_DONTNEED) == 0);
}
CASE(pages_beside) {
  shared = memory(64, RWX);
  calls(shared, shared + 40), adds(shared + 40, 2);
  say("bad %ld", with_runners(3, write_other_page, rounds(600)));
}

static void *publish(void *argument) {
  unsigned char *code = argument;
  long bad = 0;
  for (int i = 0; i < rounds(400); i++) {
    unsigned char *place = code + i % 30 * 128;
    if (mprotect(code, PAGE, RW) != 0) bad++;
    unsigned char *second = adds(place, i) + 4;
    calls(second, place);
    if (mprotect(code, PAGE, RX) != 0) bad++;
    bad += run(second, 1) != 1 + i;
  }
  return (void *)bad;
}
CASE(published_at_once) {
  unsigned char *code = memory(4, RW);
  pthread_t threads[4];
  long sum = 0;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, publish, code + i * PAGE);
  for (int i = 0; i < 4; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  say("bad %ld", sum);
}

// A signal at any moment, whose handler makes code and calls, and now and then jumps out.
static unsigned char *handled;
static volatile int signals, is_inside;
static void make_code(int signal) {
  (void)signal;
  int saved = errno;
  adds(handled + signals % 40 * 64, signals);
  if (run(handled + signals % 40 * 64, 1) != 1 + signals || getppid() < 0) _exit(8);
  signals++;
  errno = saved;
  if (is_inside && signals % 5 == 0) is_inside = 0, siglongjmp(back, 1);
}
CASE(signals_while_publishing) {
  signal(SIGALRM, make_code);
  handled = memory(2, RWX);
  unsigned char *code = memory(2, RWX), *other = memory(1, RW);
  struct itimerval never = {{0, 0}, {0, 0}};
  for (volatile int i = 0; i < rounds(3000); i++) {
    struct itimerval soon = {{0, 0}, {0, 20 + i * 7 % 300}};
    if (sigsetjmp(back, 1) != 0) continue;
    is_inside = 1;
    if (setitimer(ITIMER_REAL, &soon, 0) != 0) say("FAILED timer");
    adds(code + i % 100 * 64, i);
    if (run(code + i % 100 * 64, 1) != 1 + i) say("FAILED %d", i);
    if (mprotect(other, PAGE, RW) != 0) say("FAILED RW");
    reads_link(other);
    if (mprotect(other, PAGE, RX) != 0 || !is_program(other)) say("FAILED RX");
    is_inside = 0;
  }
  check(setitimer(ITIMER_REAL, &never, 0) == 0);
  check(signals > 0);
  say("done");
}

static int crowd_stops;
static long crowd_calls;

static void *call_crowd(void *code) {
  long pid = getpid(), wrong = 0;
  while (!__atomic_load_n(&crowd_stops, __ATOMIC_RELAXED)) {
    wrong += run(code, 0) != pid;
    __atomic_add_fetch(&crowd_calls, 1, __ATOMIC_RELAXED);
  }
  return (void *)wrong;
}

// A thread is at some of more than a thousand traps while they go, and as many come at another place, and go.
CASE(crowds_that_go) {
  enum { pages = 5, count = 1500 };
  unsigned char *code = memory_without_trampolines(pages);
  pthread_t thread;
  void *wrong;
  crowd(code, count);
  pthread_create(&thread, 0, call_crowd, code);
  for (int i = 0; i < rounds(40); i++) {
    unsigned char *other = memory_without_trampolines(pages);
    crowd(other, count);
    check(mprotect(code, pages * PAGE, RX) == 0);
    long before = __atomic_load_n(&crowd_calls, __ATOMIC_RELAXED);
    while (__atomic_load_n(&crowd_calls, __ATOMIC_RELAXED) == before) sched_yield();
    check(mprotect(code, pages * PAGE, RWX) == 0);
    check_equal(run(other, 0), getpid());
    check(mmap(other, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == other);
  }
  __atomic_store_n(&crowd_stops, 1, __ATOMIC_RELAXED);
  pthread_join(thread, &wrong);
  say("wrong %ld", (long)wrong);
}

// ---- Several processes, several views

static long in_child(long (*act)(unsigned char *), unsigned char *code) {
  pid_t pid = fork();
  if (pid == 0) _exit((int)act(code));
  int status;
  check(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
  return WEXITSTATUS(status);
}
static long rewrite(unsigned char *code) {
  int good = is_program(code) && run(code + 200, 1) == 3;
  adds(code + 200, 9), reads_link(code + 300);
  return good && run(code + 200, 1) == 10 && is_program(code + 300) && is_program(code);
}
CASE(forked) {
  unsigned char *code = memory(1, RWX);
  reads_link(code), adds(code + 200, 2);
  check(is_program(code) && run(code + 200, 1) == 3);
  for (int i = 0; i < 5; i++) {
    check_equal(in_child(rewrite, code), 1);
    check(is_program(code) && run(code + 200, 1) == 3);
    adds(code + 400 + 20 * i, i);
    check(run(code + 400 + 20 * i, 1) == 1 + i);
  }
  say("done");
}

static long write_for_parent(unsigned char *code) {
  adds(code + 200, 9), reads_link(code);
  return run(code + 200, 1) == 10;
}
CASE(shared_with_a_child) {
  unsigned char *code = mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  reads_link(code), adds(code + 200, 2);
  check(mprotect(code, PAGE, RX) == 0 && is_program(code) && run(code + 200, 1) == 3);
  check(mprotect(code, PAGE, RWX) == 0 && run(code + 200, 1) == 3);
  check_equal(in_child(write_for_parent, code), 1);
  check(run(code + 200, 1) == 10);
  say("done");
}

// ---- Views of one object: written in one, run in another

static int object(long pages) {
  int file = memfd_create("code", 0);
  check(file >= 0 && ftruncate(file, pages * PAGE) == 0);
  return file;
}

static unsigned char *view(int file, long page, long pages, int protection) {
  unsigned char *at = mmap(0, pages * PAGE, protection, MAP_SHARED, file, page * PAGE);
  check(at != MAP_FAILED);
  return at;
}

// Not more often than a page is patched anew.
static void write_and_run(unsigned char *writable, unsigned char *code, int times) {
  for (int i = 0; i < times; i++) {
    adds(writable + i % 10 * 32, i), calls(writable + PAGE, writable + i % 10 * 32), reads_link(writable + PAGE + 64);
    check_equal(run(code + i % 10 * 32, 1), 1 + i);
    check_equal(run(code + PAGE, 1), 1 + i);
    check(is_program(code + PAGE + 64));
    usleep(4000);
  }
}

CASE(two_views) {
  int file = object(2);
  unsigned char *writable = view(file, 0, 2, RW), *code = view(file, 0, 2, RX);
  write_and_run(writable, code, 50);
  say("done");
}

CASE(view_to_run_first) {
  int file = object(8);
  unsigned char *code = view(file, 2, 2, RX), *writable = view(file, 0, 8, RW);
  check(close(file) == 0);
  write_and_run(writable + 2 * PAGE, code, 50);
  say("done");
}

// A view to write is mapped for as long as it is needed; another is made one.
CASE(views_that_come_and_go) {
  int file = object(4);
  unsigned char *code = view(file, 0, 4, RX), *readable = view(file, 0, 4, PROT_READ);
  for (int i = 0; i < 30; i++) {
    unsigned char *writable = view(file, 1, 2, RW);
    write_and_run(writable, code + PAGE, 3);
    // Who reads another view sees what was written, and no patches.
    check(memcmp(readable + PAGE, writable, 2 * PAGE) == 0);
    check(munmap(writable + PAGE, PAGE) == 0);
    adds(writable + 320, i);
    check_equal(run(code + PAGE + 320, 1), 1 + i);
    check(munmap(writable, PAGE) == 0);
    check(mprotect(readable + PAGE, PAGE, RW) == 0);
    adds(readable + PAGE + 320, 2 * i);
    check_equal(run(code + PAGE + 320, 1), 1 + 2 * i);
    check(mprotect(readable + PAGE, PAGE, PROT_READ) == 0);
    check_equal(run(code + PAGE + 320, 1), 1 + 2 * i);
  }
  say("done");
}

CASE(views_to_write_at_once) {
  int file = object(2);
  unsigned char *one = view(file, 0, 2, RW), *code = view(file, 0, 2, RX), *other = view(file, 1, 1, RW);
  for (int i = 0; i < 30; i++) {
    adds(one + PAGE, i);
    check_equal(run(code + PAGE, 1), 1 + i);
    adds(other, 2 * i);
    check_equal(run(code + PAGE, 1), 1 + 2 * i);
    check(memcmp(one + PAGE, other, PAGE) == 0);
  }
  say("done");
}

// The kernel writes: to a view, and to the object.
CASE(views_that_the_kernel_writes) {
  int file = object(2), pipes[2];
  check(pipe(pipes) == 0);
  unsigned char *writable = view(file, 0, 2, RW), *code = view(file, 0, 2, RX), draft[64];
  write_and_run(writable, code, 3);
  for (int i = 0; i < 20; i++) {
    long size = calls(draft, draft - 32) - draft;
    check(write(pipes[1], draft, size) == size && read(pipes[0], writable + 64, size) == size);
    adds(writable + 32, i);
    check_equal(run(code + 64, 1), 1 + i);
    size = adds(draft, 2 * i) - draft;
    check(pwrite(file, draft, size, 32) == size);
    check_equal(run(code + 64, 1), 1 + 2 * i);
  }
  check(ftruncate(file, 0) == 0 && ftruncate(file, 2 * PAGE) == 0);
  check_equal(code[32], 0);
  write_and_run(writable, code, 3);
  say("done");
}

// One view that is written and run in turns.
CASE(view_that_toggles) {
  int file = object(2);
  unsigned char *code = view(file, 0, 2, RW), *readable = view(file, 0, 2, PROT_READ);
  check(close(file) == 0);
  for (int i = 0; i < 30; i++) {
    adds(code + 64 * (i % 8), i), calls(code + PAGE, code + 64 * (i % 8)), reads_link(code + PAGE + 64);
    check(mprotect(code + i % 2 * PAGE, PAGE, RX) == 0 && mprotect(code, 2 * PAGE, RX) == 0);
    check(run(code + 64 * (i % 8), 1) == 1 + i && run(code + PAGE, 1) == 1 + i && is_program(code + PAGE + 64));
    check(mprotect(code, 2 * PAGE, RW) == 0 && memcmp(code, readable, 2 * PAGE) == 0);
    usleep(4000);
  }
  say("done");
}

// As .NET does: views are reserved, their parts get protections of their own, and what is run is written in views that come and go.
enum { RESERVED = 32 };
static unsigned char *reserved[2];

// Code and the data behind it, in turns in two reservations: where the code is, and its page in the object.
static unsigned char *part(int i) { return reserved[i % 2] + i / 2 * 2 * PAGE; }
static long page_of(int i) { return i % 2 * RESERVED + i / 2 * 2; }

static void commit(int file, int i, int n) {
  unsigned char *code = part(i), *writable = view(file, page_of(i), 1, RW);
  check(mprotect(code, PAGE, RX) == 0 && mprotect(code + PAGE, PAGE, RW) == 0);
  reads_link(writable), reads_table(writable + 128, writable + PAGE), adds(writable + 192, n);
  check(munmap(writable, PAGE) == 0);
  memcpy(code + PAGE, &(long){n}, sizeof(long));
}

static void check_part(int i, int n) {
  const unsigned char *code = part(i);
  check_equal(run(code + 128, 0), n);
  check_equal(run(code + 192, 1), n + 1);
  check(is_program(code));
}

CASE(views_reserved) {
  int file = object(2 * RESERVED);
  for (int i = 0; i < 2; i++) reserved[i] = view(file, i * RESERVED, RESERVED, PROT_NONE);
  for (int i = 0; i < RESERVED; i++) commit(file, i, i), check_part(i, i);
  for (int i = 0; i < RESERVED; i++) commit(file, i, 2 * i), check_part(i, 2 * i);
  for (int i = 0; i < RESERVED; i++) check_part(i, 2 * i);
  // Data becomes code, code becomes data, in the view itself; a part goes back to what it was.
  for (int i = 0; i < RESERVED; i++) {
    unsigned char *code = part(i), *data = code + PAGE;
    adds(data + 64, i), reads_link(data + 128);
    check(mprotect(data, PAGE, RX) == 0 && run(data + 64, 1) == 1 + i && is_program(data + 128));
    check(mprotect(code, PAGE, RW) == 0);
    adds(code + 192, 3 * i);
    check(mprotect(code, 2 * PAGE, RX) == 0 && run(code + 192, 1) == 1 + 3 * i && is_program(code) && is_program(data + 128));
    check(mmap(code, 2 * PAGE, PROT_NONE, MAP_SHARED | MAP_FIXED, file, page_of(i) * PAGE) == code);
  }
  for (int i = 0; i < RESERVED; i++) commit(file, i, i), check_part(i, i);
  pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < RESERVED; i++) check_equal(run(part(i) + 192, 1), i + 1);
    _exit(0);
  }
  int status;
  check(waitpid(child, &status, 0) == child && status == 0);
  usleep(20000);
  for (int i = 0; i < RESERVED; i++) commit(file, i, 5 * i), check_part(i, 5 * i);
  say("done");
}

// What cannot be followed runs as it is.
CASE(views_given_up) {
  for (int way = 0; way < 7; way++) {
    int file = object(2);
    unsigned char *writable = view(file, 0, 2, RW), *code = view(file, 0, 2, RX);
    write_and_run(writable, code, 3);
    unsigned char *other = code;
    if (way == 0) other = view(file, 0, 2, RX);
    if (way == 1) code = other = mremap(code, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory(2, PROT_NONE));
    if (way == 2) check(mprotect(code, 2 * PAGE, RWX) == 0);
    if (way == 3) other = mprotect(writable, PAGE, RWX) == 0 ? writable : MAP_FAILED;
    if (way == 4) writable = mremap(writable, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory(2, PROT_NONE));
    if (way == 5) check(mprotect(code, PAGE, RW) == 0 && mprotect(code, PAGE, RWX) == 0);
    for (int i = 0; way == 6 && i < 2000; i++) view(file, i % 2, 1, i % 3 ? RW : PROT_READ);
    check(other != MAP_FAILED && writable != MAP_FAILED);
    for (int i = 0; i < 5; i++) {
      adds(writable, i);
      check(run(code, 1) == 1 + i && run(other, 1) == 1 + i);
    }
    check(munmap(writable, 2 * PAGE) == 0 && munmap(code, 2 * PAGE) == 0 && close(file) == 0);
  }
  say("done");
}

// The kernel changes what lies in front of a hole, and fails.
CASE(views_protected_up_to_a_hole) {
  int file = object(3);
  unsigned char *code = view(file, 0, 3, RX), *writable = view(file, 0, 3, RW);
  write_and_run(writable, code, 3);
  check(munmap(writable + PAGE, PAGE) == 0);
  check(mprotect(writable, 3 * PAGE, PROT_READ) == -1 && errno == ENOMEM);
  check(mprotect(writable, PAGE, RW) == 0);
  adds(writable, 7), adds(writable + 2 * PAGE, 8);
  check(run(code, 1) == 8 && run(code + 2 * PAGE, 1) == 9);
  check(munmap(code + PAGE, PAGE) == 0);
  check(mprotect(code, 3 * PAGE, PROT_READ) == -1 && errno == ENOMEM);
  check(mprotect(code, PAGE, RX) == 0);
  adds(writable, 9), adds(writable + 2 * PAGE, 10);
  check(run(code, 1) == 10 && run(code + 2 * PAGE, 1) == 11);
  say("done");
}

static int waits_for(pid_t child) {
  int status;
  check(waitpid(child, &status, 0) == child && WIFEXITED(status));
  return WEXITSTATUS(status);
}

// Children share the object: those that become another program, and those that write to it.
CASE(views_and_children) {
  int file = object(4), pipes[2];
  unsigned char *code = view(file, 0, 4, RX), *writable = view(file, 0, 4, RW);
  check(pipe(pipes) == 0);
  write_and_run(writable, code, 3);
  for (int i = 0; i < 5; i++) {
    pid_t child = fork();
    if (child == 0) execl("/bin/true", "true", (char *)0), _exit(9);
    adds(writable + 320, i);
    check(run(code + 320, 1) == 1 + i && waits_for(child) == 0);
    usleep(20000);
    // A memory call, at which the engine may see that it is alone.
    check(munmap(memory(1, RW), PAGE) == 0);
    write_and_run(writable, code, 3);
  }
  pid_t child = fork();
  if (child == 0) {
    pid_t second = fork();
    if (second == 0) {
      char byte;
      check(read(pipes[0], &byte, 1) == 1);
      adds(writable + 320, 100);
      _exit((int)run(code + 320, 1) - 1);
    }
    adds(writable + 352, 50);
    _exit(run(code + 352, 1) == 51 && waits_for(second) == 100 ? 0 : 1);
  }
  usleep(20000);
  for (int i = 0; i < 10; i++) check(munmap(memory(1, RW), PAGE) == 0 && run(code + 320, 1) == 5);
  check(write(pipes[1], "x", 1) == 1 && waits_for(child) == 0);
  check(run(code + 320, 1) == 101 && run(code + 352, 1) == 51);
  say("done");
}

// More of them than anybody remembers: one after the other, and all at once.
CASE(views_and_many_children) {
  int file = object(2), pipes[2], status;
  unsigned char *code = view(file, 0, 2, RX), *writable = view(file, 0, 2, RW);
  check(pipe(pipes) == 0);
  write_and_run(writable, code, 3);
  for (int i = 0; i < 40; i++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    check(waits_for(child) == 0);
  }
  usleep(50000);
  check(munmap(memory(1, RW), PAGE) == 0);
  write_and_run(writable, code, 3);
  for (int i = 0; i < 40; i++) {
    if (fork() > 0) continue;
    char byte;
    check(read(pipes[0], &byte, 1) == 1);
    adds(writable + 320, 7);
    _exit(run(code + 320, 1) == 8 ? 0 : 9);
  }
  for (int i = 0; i < 10; i++) {
    adds(writable + 288, i);
    check(munmap(memory(1, RW), PAGE) == 0 && run(code + 288, 1) == 1 + i);
  }
  for (int i = 0; i < 40; i++) check(write(pipes[1], "x", 1) == 1);
  for (int i = 0; i < 40; i++) check(wait(&status) > 0 && status == 0);
  check_equal(run(code + 320, 1), 8);
  say("done");
}

static unsigned char *shared_view;
static void write_neighbour_view(int i) {
  adds(shared_view + 64 + i % 50 * 64, i);
  check_equal(run(shared + 64 + i % 50 * 64, 1), 1 + i);
  usleep(2000);
}

static void *read_constant(void *argument) {
  (void)argument;
  long bad = 0;
  while (!stop) bad += *(volatile long *)(shared + PAGE - 8) != 0x1122334455667788;
  return (void *)bad;
}

// Others run a neighbour of what is written, and read a constant beside it.
CASE(views_beside_runners) {
  int file = object(2);
  shared = view(file, 0, 2, RX), shared_view = view(file, 0, 2, RW);
  *(long *)(shared_view + PAGE - 8) = 0x1122334455667788;
  calls(shared_view, shared_view + 40), adds(shared_view + 40, 2);
  pthread_t reader;
  void *bad;
  stop = 0;
  check(pthread_create(&reader, 0, read_constant, 0) == 0);
  long sum = with_runners(2, write_neighbour_view, rounds(200));
  pthread_join(reader, &bad);
  say("bad %ld %ld", sum, (long)bad);
}

// Sealed memory keeps its protection: it runs, and can be written, for good.
CASE(sealed) {
  unsigned char *code = memory(2, RWX);
  adds(code, 3);
  check(run(code, 1) == 4);
  if (syscall(462, code, 2 * PAGE, 0) != 0) return say("no mseal");
  for (int i = 0; i < 5; i++) {
    adds(code, i), adds(code + PAGE, i);
    check(run(code, 1) == 1 + i && run(code + PAGE, 1) == 1 + i);
  }
  say("done");
}

CASE(protection_keys) {
  int key = syscall(SYS_pkey_alloc, 0, 0);
  if (key < 0) return say("none");
  unsigned char *code = memory(1, RW);
  reads_link(code);
  check(syscall(SYS_pkey_mprotect, code, PAGE, RWX, key) == 0);
  adds(code + 100, 3);
  check(run(code + 100, 1) == 4);
  say("done");
}
