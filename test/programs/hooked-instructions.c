// Instructions that hooks are called at: how often each is executed, and with what in its registers, is known.
//
// usage: hooked-instructions spin | storm | threads | calls | change | skip | operands | jumps | prefix | turns

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

// A loop of `count` conditional jumps, with live flags and every register that a caller does not expect kept.
uint64_t spin(uint64_t count);
__asm__(".text\n"
        ".globl spin\n"
        ".type spin, @function\n"
        "spin: .cfi_startproc\n"
        "  xorl %eax, %eax\n"
        "  stc\n"
        "1: adcq $0, %rax\n"
        "  decq %rdi\n"
        "  jnz 1b\n"
        "  ret\n"
        ".cfi_endproc\n"
        ".size spin, .-spin\n");

// 7 + what was in rax in front of `nop`, through a call whose pushed address is looked at.
uint64_t change(uint64_t value);
__asm__(".globl change\n"
        ".type change, @function\n"
        "change: .cfi_startproc\n"
        "  movq %rdi, %rax\n"
        "  cmpq %rax, %rax\n"
        "  nopl 8(%rax,%rax,1)\n"
        "  jne 1f\n"
        "  addq $7, %rax\n"
        "1: ret\n"
        ".cfi_endproc\n"
        ".size change, .-change\n");

// glibc's way to do without a `lock` prefix where there is one thread.
static volatile uint64_t is_threaded, shared;
void add_to_shared(uint64_t count);
__asm__(".globl add_to_shared\n"
        ".type add_to_shared, @function\n"
        "add_to_shared: .cfi_startproc\n"
        "1: cmpq $0, is_threaded(%rip)\n"
        "  je 2f\n"
        "  lock\n"
        "2: incq shared(%rip)\n"
        "  decq %rdi\n"
        "  jnz 1b\n"
        "  ret\n"
        ".cfi_endproc\n"
        ".size add_to_shared, .-add_to_shared\n");
static void drop_page(uintptr_t code) {
  madvise((void *)(code & -4096), 4096, MADV_DONTNEED);
}
static void *add_in_thread(void *argument) {
  add_to_shared(25000);
  return NULL;
}
static void add_in_threads(void) {
  is_threaded = 1;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, add_in_thread, NULL);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

__attribute__((noipa)) static uint64_t add(uint64_t a, uint64_t b) {
  __asm__ volatile("");
  return a + b;
}
__attribute__((noipa)) static uint64_t calls(uint64_t count) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; i++) sum = add(sum, i);
  return sum;
}

static volatile uint64_t cell[4];
__attribute__((noipa)) static void stores(void) {
  for (int i = 0; i < 4; i++) cell[i] = i + 1;
}

static volatile sig_atomic_t ticks;
static void on_tick(int signal) {
  ticks++;
}
static sigjmp_buf left;
static volatile sig_atomic_t leaves;
// A tick may come between the last turn and the end of the timer.
static void on_leave(int signal) {
  if (leaves == 200) return;
  leaves++;
  siglongjmp(left, 1);
}

static void start_timer(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigaction(SIGALRM, &action, NULL);
  // Slower than a trap and a handler together, or nothing would get on.
  struct itimerval timer = {{0, 250}, {0, 250}};
  setitimer(ITIMER_REAL, &timer, NULL);
}
static void stop_timer(void) {
  struct itimerval none = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &none, NULL);
}

static void *spin_in_thread(void *argument) {
  return (void *)spin(100000);
}

int main(int count, char **arguments) {
  const char *what = count > 1 ? arguments[1] : "spin";
  if (!strcmp(what, "spin")) printf("%lu\n", spin(100000));
  if (!strcmp(what, "storm")) {
    start_timer(on_tick);
    uint64_t sum = 0, turns = 0;
    for (; ticks < 2000; turns++) sum += spin(1000);
    stop_timer();
    printf("sum %lu of %lu\n", sum, turns);
  }
  if (!strcmp(what, "threads")) {
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) pthread_create(&threads[i], NULL, spin_in_thread, NULL);
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) {
      void *result;
      pthread_join(threads[i], &result);
      sum += (uint64_t)result;
    }
    printf("%lu\n", sum);
  }
  // One after the other, so that each has what is left of the one before.
  for (int i = 0; !strcmp(what, "turns") && i < 4; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, spin_in_thread, NULL);
    pthread_join(thread, NULL);
  }
  if (!strcmp(what, "calls")) printf("%lu\n", calls(1000));
  if (!strcmp(what, "change")) printf("%lu\n", change(1000));
  if (!strcmp(what, "operands")) {
    stores();
    printf("cell %p: %lu %lu %lu %lu\n", (void *)cell, cell[0], cell[1], cell[2], cell[3]);
  }
  if (!strcmp(what, "prefix")) {
    add_to_shared(50000);
    drop_page((uintptr_t)add_to_shared);
    add_to_shared(50000);
    add_in_threads();
    printf("%lu\n", shared);
  }
  if (!strcmp(what, "jumps")) {
    if (!sigsetjmp(left, 1)) start_timer(on_leave);
    while (leaves < 200) spin(100000);
    stop_timer();
    printf("left %d\n", (int)leaves);
  }
  return 0;
}
