// Functions that are generated, run, and freed, by the million: what a rewriter keeps of code that is gone.
//
//     churn FUNCTIONS WAY THREADS
//
// WAY: `unmap` maps and unmaps each function, `move` at an address of its own, `pages` 32 of them together; `reuse` writes one over the other in memory that is
// writable and executable; `toggle` does so in memory that is either. THREADS more threads run code of their own meanwhile. Each function makes a
// system call by which it can tell whether it was patched, and a call. At each tenth a line: functions so far, milliseconds,
// resident KiB, mappings, and how many of the functions since the last line were patched.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, SIZE = 128, PLACES = PAGES * PAGE / SIZE };
enum { SYSCALL_AT = 14 };

// push %rbp; mov %rsp,%rbp; call behind the ret; mov $39,%eax; syscall; pop %rbp; ret; lea n(%rdi),%rax; ret
static void generate(unsigned char *at, int n) {
  unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xe8, 9,    0,    0,    0,    0xb8, 39, 0, 0, 0,
                          0x0f, 0x05, 0x5d, 0xc3, 0x48, 0x8d, 0x87, 0,    0,    0,    0,  0xc3};
  memcpy(code + 21, &n, 4);
  memcpy(at, code, sizeof code);
}

static volatile int stop;
static void *run_other(void *unused) {
  (void)unused;
  unsigned char *code = mmap(0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // push %rbp; mov %rsp,%rbp; call 1f; pop %rbp; ret; 1: lea 1(%rdi),%rax; ret
  memcpy(code, (unsigned char[]){0x55, 0x48, 0x89, 0xe5, 0xe8, 2, 0, 0, 0, 0x5d, 0xc3, 0x48, 0x8d, 0x47, 1, 0xc3}, 16);
  while (!stop) {
    for (int i = 0; i < 100000; i++)
      if (((long (*)(long))code)(i) != i + 1) abort();
    usleep(100);
  }
  return 0;
}

static long count_mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  long count = 0;
  for (int c; (c = getc(maps)) != EOF;) count += c == '\n';
  fclose(maps);
  return count;
}

static long resident(void) {
  long pages = 0, ignored;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (fscanf(statm, "%ld %ld", &ignored, &pages) != 2) pages = 0;
  fclose(statm);
  return pages * 4;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  long functions = argc > 1 ? atol(argv[1]) : 1000000, patched = 0, pid = getpid();
  const char *way = argc > 2 ? argv[2] : "unmap";
  int threads = argc > 3 ? atoi(argv[3]) : 0, both = strcmp(way, "reuse") == 0;
  pthread_t others[64];
  for (int i = 0; i < threads; i++) pthread_create(&others[i], 0, run_other, 0);
  int protection = PROT_READ | PROT_WRITE | (both ? PROT_EXEC : 0);
  unsigned char *page = 0, *region = mmap(0, PAGES * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int moves = strcmp(way, "move") == 0, unmaps = moves || strcmp(way, "unmap") == 0, fills = strcmp(way, "pages") == 0;
  double start = now();
  for (long i = 0; i < functions; i++) {
    unsigned char *place = region + i % PLACES * SIZE;
    if (fills && i % (PAGE / SIZE) == 0) {
      page = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      for (int k = 0; k < PAGE / SIZE; k++) generate(page + k * SIZE, k);
      mprotect(page, PAGE, PROT_READ | PROT_EXEC);
    }
    if (fills) place = page + i % (PAGE / SIZE) * SIZE;
    void *hint = moves ? (void *)(0x200000000000 + i * 3 * PAGE) : 0;
    if (unmaps) place = mmap(hint, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!fills) page = (unsigned char *)((unsigned long)place & -PAGE);
    if (strcmp(way, "toggle") == 0) mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    if (!fills) generate(place, i);
    if (!both && !fills) mprotect(page, PAGE, PROT_READ | PROT_EXEC);
    if (((long (*)(long))place)(1) != pid) abort();
    patched += place[SYSCALL_AT] != 0x0f || place[SYSCALL_AT + 1] != 0x05;
    if (unmaps || (fills && i % (PAGE / SIZE) == PAGE / SIZE - 1)) munmap(page, PAGE);
    if ((i + 1) % (functions / 10) != 0) continue;
    printf("%ld %.0f ms %ld KiB %ld mappings %ld patched\n", i + 1, now() - start, resident(), count_mappings(), patched);
    fflush(stdout);
    patched = 0;
  }
  stop = 1;
  for (int i = 0; i < threads; i++) pthread_join(others[i], 0);
  return 0;
}
