// Records the system calls of a program with ptrace, for test/trace/oracle.ts: the events of src/trace/event.ts as the bytes of
// src/abi/trace-event.ts, with the memory that the capture plans (src/abi/capture.ts) ask for. It knows no call by itself:
// plans.h, which the test generates, has the steps of each. A test's oracle only; nothing of Flicker is in it.
//
//   recorder OUTPUT PROGRAM ARGUMENTS...

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct step {
  uint8_t kind, argument, when, length;
  uint16_t unit, limit;
};
struct plan {
  const struct step *steps;
  int count;
  // Bit n: argument n is a descriptor. Bit 6: the result is.
  int descriptors;
};
#include "plans.h"

enum { CALL = 1, ENTER, LEAVE, SIGNAL, EXITED, KILLED };
enum { FIXED = 1, COUNTED, RETURNED, INDIRECT, STRING, STRINGS, VECTOR, MESSAGE, MESSAGES, IOCTL };
enum { AT_ENTRY, AT_EXIT, AT_FAILURE };
enum { RANGE_ENTRY, RANGE_EXIT, RANGE_PATH };
#define TEXT_LIMIT 65535
#define ELEMENTS_LIMIT 1024
// One byte more than -s shows, so that a longer string is seen to be one.
static size_t text_limit = 33;

static FILE *output;

struct thread {
  pid_t tid, pid;
  int is_inside;
  uint64_t number, arguments[6], start;
  unsigned char *ranges;
  size_t size, room;
  int count;
  struct thread *next;
};
static struct thread *threads;

static struct thread *thread_of(pid_t tid) {
  for (struct thread *t = threads; t; t = t->next)
    if (t->tid == tid) return t;
  struct thread *t = calloc(1, sizeof *t);
  t->tid = t->pid = tid;
  t->next = threads;
  return threads = t;
}

static uint64_t now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

// As much of the memory as can be read.
static size_t copy(pid_t tid, void *to, uint64_t address, size_t size) {
  size_t done = 0;
  while (done < size) {
    size_t part = 4096 - (address + done) % 4096;
    if (part > size - done) part = size - done;
    struct iovec local = {(char *)to + done, part}, remote = {(void *)(address + done), part};
    ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    if (n <= 0) break;
    done += n;
  }
  return done;
}

static void add(struct thread *t, int when, uint64_t address, const void *bytes, size_t size) {
  size_t need = 16 + ((size + 7) & ~7ul);
  if (t->size + need > t->room) t->ranges = realloc(t->ranges, t->room = (t->size + need) * 2);
  unsigned char *at = t->ranges + t->size;
  memset(at, 0, need);
  memcpy(at, &address, 8);
  memcpy(at + 8, &(uint32_t){size}, 4);
  memcpy(at + 12, &(uint32_t){when}, 4);
  memcpy(at + 16, bytes, size);
  t->size += need;
  t->count++;
}

static unsigned char buffer[1 << 20];

static void memory(struct thread *t, int when, uint64_t address, size_t size) {
  if (size > sizeof buffer) size = sizeof buffer;
  size_t n = address ? copy(t->tid, buffer, address, size) : 0;
  if (n) add(t, when, address, buffer, n);
}

static void string(struct thread *t, int when, uint64_t address, size_t limit) {
  size_t n = address ? copy(t->tid, buffer, address, limit) : 0;
  unsigned char *end = memchr(buffer, 0, n);
  if (n) add(t, when, address, buffer, end ? (size_t)(end - buffer) + 1 : n);
}

static uint64_t word(struct thread *t, uint64_t address) {
  uint64_t value = 0;
  copy(t->tid, &value, address, 8);
  return value;
}

static void vector(struct thread *t, int when, uint64_t address, uint64_t count, size_t limit) {
  if (count > ELEMENTS_LIMIT) count = ELEMENTS_LIMIT;
  memory(t, when, address, count * 16);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t size = word(t, address + i * 16 + 8);
    memory(t, when, word(t, address + i * 16), size < limit ? size : limit);
  }
}

static void message(struct thread *t, int when, uint64_t address, size_t limit) {
  uint64_t control = word(t, address + 40);
  memory(t, when, address, 64);
  memory(t, when, word(t, address), (uint32_t)word(t, address + 8) < 128 ? (uint32_t)word(t, address + 8) : 128);
  vector(t, when, word(t, address + 16), word(t, address + 24), limit);
  memory(t, when, word(t, address + 32), control < 4096 ? control : 4096);
}

static void run_step(struct thread *t, const struct step *s, int when, int64_t result) {
  uint64_t address = t->arguments[s->argument], size = s->unit;
  uint64_t given = s->length < 6 ? t->arguments[s->length] : 0;
  size_t limit = s->limit == TEXT_LIMIT ? text_limit : s->limit;
  switch (s->kind) {
  case COUNTED: size = given * s->unit; break;
  case RETURNED: size = result * s->unit; if (s->length < 6 && given * s->unit < size) size = given * s->unit; break;
  case INDIRECT: size = (uint32_t)word(t, given) * s->unit; break;
  case STRING: string(t, when, address, limit); return;
  case STRINGS:
    for (int i = 0; i < ELEMENTS_LIMIT; i++) {
      memory(t, when, address + i * 8, 8);
      if (!word(t, address + i * 8)) return;
      string(t, when, word(t, address + i * 8), limit);
    }
    return;
  case VECTOR: vector(t, when, address, given, limit); return;
  case MESSAGE: message(t, when, address, limit); return;
  case MESSAGES:
    for (uint64_t i = 0; i < (uint32_t)given && i < ELEMENTS_LIMIT; i++) message(t, when, address + i * 64, limit);
    return;
  case IOCTL: if ((given >> 16) & 0x3fff) size = (given >> 16) & 0x3fff; break;
  }
  if (size > limit) size = limit;
  memory(t, when, address, size);
}

static void descriptor(struct thread *t, int number) {
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/%d/fd/%d", t->tid, number);
  if (number == AT_FDCWD) snprintf(name, sizeof name, "/proc/%d/cwd", t->tid);
  ssize_t n = readlink(name, path, sizeof path);
  if (n > 0) add(t, RANGE_PATH, (uint32_t)number, path, n);
}

static void capture(struct thread *t, int is_exit, int64_t result) {
  if (t->number >= sizeof plans / sizeof *plans) return;
  const struct plan *plan = &plans[t->number];
  int failed = is_exit && result < 0 && result > -4096;
  for (int i = 0; i < plan->count; i++) {
    const struct step *s = &plan->steps[i];
    if (s->when != (is_exit ? failed ? AT_FAILURE : AT_EXIT : AT_ENTRY)) continue;
    run_step(t, s, is_exit ? RANGE_EXIT : RANGE_ENTRY, result);
  }
  for (int i = 0; i < 6 && !is_exit; i++)
    if (plan->descriptors >> i & 1) descriptor(t, t->arguments[i]);
  if (is_exit && (plan->descriptors >> 6 & 1) && result >= 0) descriptor(t, result);
}

static void event(struct thread *t, int kind, uint32_t number, int64_t result, uint64_t end) {
  unsigned char head[0x68] = {0};
  memcpy(head, &(uint32_t){sizeof head + t->size}, 4);
  head[4] = kind;
  memcpy(head + 6, &(uint16_t){t->count}, 2);
  memcpy(head + 8, &(uint32_t){t->pid}, 4);
  memcpy(head + 12, &(uint32_t){t->tid}, 4);
  memcpy(head + 16, &number, 4);
  memcpy(head + 24, &t->start, 8);
  memcpy(head + 32, &end, 8);
  memcpy(head + 40, &result, 8);
  memcpy(head + 48, t->arguments, 48);
  fwrite(head, sizeof head, 1, output);
  fwrite(t->ranges, t->size, 1, output);
}

static void call_stop(struct thread *t) {
  struct __ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof info, &info) <= 0) return;
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    t->is_inside = 1;
    t->number = info.entry.nr;
    memcpy(t->arguments, info.entry.args, sizeof t->arguments);
    t->size = t->count = 0;
    capture(t, 0, 0);
    t->start = now();
    event(t, ENTER, t->number, 0, t->start);
  } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && t->is_inside) {
    uint64_t end = now();
    t->is_inside = 0;
    capture(t, 1, info.exit.rval);
    event(t, LEAVE, t->number, info.exit.rval, end);
  }
}

int main(int argc, char **argv) {
  if (argc < 3 || !(output = fopen(argv[1], "wbe"))) return 125;
  if (getenv("TEXT_LIMIT")) text_limit = atoi(getenv("TEXT_LIMIT")) + 1;
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    unsetenv("TEXT_LIMIT");
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  int status, result = 0, is_started = 0;
  waitpid(child, &status, 0);
  ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL |
                                          PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE);
  ptrace(PTRACE_SYSCALL, child, 0, 0);
  pid_t tid;
  while ((tid = waitpid(-1, &status, __WALL)) > 0) {
    struct thread *t = thread_of(tid);
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      t->size = t->count = 0;
      t->start = now();
      if (WIFEXITED(status)) event(t, EXITED, WEXITSTATUS(status), 0, t->start);
      else event(t, KILLED, WTERMSIG(status), !!WCOREDUMP(status), t->start);
      if (tid == child) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      continue;
    }
    int signal = WSTOPSIG(status), deliver = 0;
    if (signal == (SIGTRAP | 0x80)) {
      // What the shell of this program does before the exec is not the program's; strace shows the first execve.
      struct __ptrace_syscall_info info;
      ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info);
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY && info.entry.nr == 59) is_started = 1;
      if (is_started) call_stop(t);
    } else if (status >> 16 == 0 && signal != SIGSTOP) {
      siginfo_t info;
      if (ptrace(PTRACE_GETSIGINFO, tid, 0, &info) == 0) {
        deliver = signal;
        t->size = t->count = 0;
        t->start = now();
        add(t, RANGE_EXIT, 0, &info, 128);
        event(t, SIGNAL, signal, 0, t->start);
      }
    }
    ptrace(PTRACE_SYSCALL, tid, 0, deliver);
  }
  fclose(output);
  return result;
}
