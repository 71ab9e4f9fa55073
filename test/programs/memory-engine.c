// A program that changes memory which it does not know: natively there is none, under Flicker it is the engine's.
// variants: static static-pie musl-static
#include "cases.h"
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/uio.h>

extern char __executable_start[], end[];

struct range {
  unsigned long start, end;
};

// Mappings that are not the program's own, by /proc/self/maps: no name of the program, the kernel or its heap and stack.
static struct range unknown[65536];
static int unknown_count;
// Between the program's own mappings: nothing natively.
static struct range gaps[4096];
static int gap_count;

// Code that is made here, in views of one object and in memory of its own: what the engine keeps for it is unknown, too.
enum { MADE = 8192 };
static unsigned char *made[3];

static int calls_the_kernel(unsigned char *writable, unsigned char *code) {
  // mov $getpid,%eax; syscall; ret
  static const unsigned char call[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3};
  memcpy(writable, call, sizeof call);
  return ((long (*)(void))code)() == getpid();
}

static int makes_code(void) {
  static int at;
  at = (at + 16) % MADE;
  return calls_the_kernel(made[0] + at, made[1] + at) && calls_the_kernel(made[2] + at, made[2] + at);
}

static void map_code(void) {
  int file = memfd_create("made", 0);
  check(file >= 0 && ftruncate(file, MADE) == 0);
  made[0] = mmap(0, MADE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  made[1] = mmap(0, MADE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  made[2] = mmap(0, MADE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(close(file) == 0 && makes_code());
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  check(waitpid(pid, 0, 0) == pid && makes_code());
}

static int is_made(unsigned long start, unsigned long stop) {
  for (int i = 0; i < 3; i++)
    if (start < (unsigned long)made[i] + MADE && stop > (unsigned long)made[i]) return 1;
  return 0;
}

static void find_unknown(void) {
  if (!made[0]) map_code();
  static char text[1 << 22];
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length] = 0;
  int file = open("/proc/self/maps", O_RDONLY);
  size_t size = 0;
  ssize_t got;
  while ((got = read(file, text + size, sizeof text - 1 - size)) > 0) size += got;
  close(file);
  text[size] = 0;
  unsigned long last = 0x10000;
  unknown_count = gap_count = 0;
  for (char *line = text; *line; line = strchr(line, '\n') + 1) {
    unsigned long start, stop;
    char name[4096] = "";
    sscanf(line, "%lx-%lx %*s %*s %*s %*s %4095[^\n]", &start, &stop, name);
    if (start > 0x7fffffffffff) continue;
    int own = strcmp(name, self) == 0 || name[0] == '[' ||
              (start < (unsigned long)end && stop > (unsigned long)__executable_start) || is_made(start, stop);
    if (!own) {
      unknown[unknown_count++] = (struct range){start, stop};
      continue;
    }
    if (start > last) gaps[gap_count++] = (struct range){last, start};
    last = stop;
  }
}

static void *thread_works(void *argument) { return (void *)(long)(getpid() > 0); }

static volatile int handled;
static void handler(int signal, siginfo_t *info, void *context) { handled++; }

// Threads, signals, processes, exec, and code that comes later.
static int works(void) {
  pthread_t thread;
  void *result = 0;
  if (pthread_create(&thread, 0, thread_works, 0) != 0) return 0;
  pthread_join(thread, &result);
  if (!result) return 0;
  install(SIGUSR1, handler, 0);
  int before = handled;
  raise(SIGUSR1);
  if (handled != before + 1) return 0;
  pid_t pid = fork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", "exit 9", (char *)0);
    _exit(1);
  }
  int status;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 9) return 0;
  int file = open("/bin/sh", O_RDONLY);
  void *code = mmap(0, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0x4000);
  close(file);
  return code != MAP_FAILED && munmap(code, 65536) == 0 && (!made[0] || makes_code());
}

// A thread's stack stays mapped for the next one: that would be unknown, too.
static int works_in_child(void) {
  pid_t pid = fork();
  if (pid == 0) _exit(works());
  int status;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

CASE(unmap_unknown) {
  find_unknown();
  int bad = 0;
  for (int i = 0; i < unknown_count; i++)
    bad += raw(SYS_munmap, unknown[i].start, unknown[i].end - unknown[i].start, 0, 0, 0, 0) != 0;
  say("bad %d, works %d", bad, works());
}

CASE(unmap_gaps) {
  find_unknown();
  int bad = 0;
  for (int i = 0; i < gap_count; i++) {
    long result = raw(SYS_munmap, gaps[i].start, gaps[i].end - gaps[i].start, 0, 0, 0, 0);
    if (result != 0) say("gap %d: %ld", i, result);
    bad += result != 0;
  }
  say("bad %d, works %d", bad, works());
}

CASE(unmap_by_pages) {
  // In steps that begin and end inside of what is there.
  find_unknown();
  int bad = 0;
  for (int i = 0; i < unknown_count; i++)
    for (unsigned long at = unknown[i].start; at + 3 * 4096 < unknown[i].end; at += 2 * 4096)
      bad += raw(SYS_munmap, at, 3 * 4096, 0, 0, 0, 0) != 0;
  say("bad %d, works %d", bad, works());
}

static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC};

CASE(protect_unknown) {
  find_unknown();
  int bad = 0;
  for (unsigned p = 0; p < sizeof protections / sizeof *protections; p++) {
    for (int i = 0; i < unknown_count; i++) {
      unsigned long size = unknown[i].end - unknown[i].start;
      bad += raw(SYS_mprotect, unknown[i].start, size, protections[p], 0, 0, 0) != -ENOMEM;
      bad += raw(SYS_pkey_mprotect, unknown[i].start, size, protections[p], -1, 0, 0) != -ENOMEM;
    }
    for (int i = 0; i < gap_count; i++)
      bad += raw(SYS_mprotect, gaps[i].start, gaps[i].end - gaps[i].start, protections[p], 0, 0, 0) != -ENOMEM;
  }
  say("bad %d, works %d", bad, works());
}

CASE(advise_unknown) {
  static const int advice[] = {MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_WIPEONFORK, MADV_NORMAL, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTDUMP, MADV_COLD, MADV_PAGEOUT, 22 /* MADV_POPULATE_READ */, 23, 24 /* MADV_DONTNEED_LOCKED */};
  find_unknown();
  for (unsigned a = 0; a < sizeof advice / sizeof *advice; a++) {
    int bad = 0;
    for (int i = 0; i < unknown_count; i++)
      bad += raw(SYS_madvise, unknown[i].start, unknown[i].end - unknown[i].start, advice[a], 0, 0, 0) != -ENOMEM;
    for (int i = 0; i < gap_count; i++)
      bad += raw(SYS_madvise, gaps[i].start, gaps[i].end - gaps[i].start, advice[a], 0, 0, 0) != -ENOMEM;
    say("advice %d: bad %d, works %d", advice[a], bad, works_in_child());
  }
  say("works %d", works());
}

CASE(move_unknown) {
  find_unknown();
  int bad = 0;
  char *place = mmap(0, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < unknown_count; i++) {
    unsigned long size = unknown[i].end - unknown[i].start;
    if (unknown[i].start == (unsigned long)place) continue;
    bad += raw(SYS_mremap, unknown[i].start, size, size + 4096, MREMAP_MAYMOVE, 0, 0) != -EFAULT;
    bad += raw(SYS_mremap, unknown[i].start, size, 4096, 0, 0, 0) != -EFAULT;
    bad += raw(SYS_mremap, unknown[i].start, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (long)place, 0) != -EFAULT;
  }
  say("bad %d, works %d", bad, works());
}

CASE(map_over_unknown) {
  // The one thing that cannot be as natively: there is no memory for the program there.
  find_unknown();
  int wrong = 0;
  char *own = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *own = 7;
  for (int i = 0; i < unknown_count; i++) {
    unsigned long size = unknown[i].end - unknown[i].start;
    wrong += raw(SYS_mmap, unknown[i].start, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != -ENOMEM;
    wrong += raw(SYS_mmap, unknown[i].start, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != -EEXIST;
    wrong += raw(SYS_mremap, (long)own, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, unknown[i].start, 0) != -ENOMEM;
  }
  say("wrong %d, works %d, own page %d", wrong, works(), *own);
}

CASE(attach_over_unknown) {
  find_unknown();
  int wrong = 0, segment = shmget(IPC_PRIVATE, 65536, 0600);
  if (segment < 0) return say("no shared memory");
  for (int i = 0; i < unknown_count; i++) wrong += shmat(segment, (void *)unknown[i].start, SHM_REMAP) != (void *)-1;
  void *free_place = shmat(segment, 0, 0);
  int attached = free_place != (void *)-1;
  shmctl(segment, IPC_RMID, 0);
  say("wrong %d, attached %d, works %d", wrong, attached, works());
}

CASE(lock_and_seal_unknown) {
  find_unknown();
  int bad = 0;
  for (int i = 0; i < unknown_count; i++) {
    unsigned long start = unknown[i].start, size = unknown[i].end - start;
    bad += raw(SYS_mlock, start, size, 0, 0, 0, 0) != -ENOMEM;
    bad += raw(325 /* mlock2 */, start, size, 1, 0, 0, 0) != -ENOMEM;
    bad += raw(SYS_munlock, start, size, 0, 0, 0, 0) != -ENOMEM;
    bad += raw(SYS_msync, start, size, MS_ASYNC, 0, 0, 0) != -ENOMEM;
    static unsigned char pages[1 << 16];
    bad += raw(SYS_mincore, start, 4096, (long)pages, 0, 0, 0) != -ENOMEM;
    bad += raw(SYS_remap_file_pages, start, size, 0, 1, 0, 0) != -EINVAL;
  }
  say("bad %d, works %d", bad, works());
  int sealed = 0;
  for (int i = 0; i < unknown_count; i++)
    sealed += raw(462, unknown[i].start, unknown[i].end - unknown[i].start, 0, 0, 0, 0) == 0;
  for (int i = 0; i < gap_count; i++) sealed += raw(462, gaps[i].start, gaps[i].end - gaps[i].start, 0, 0, 0, 0) == 0;
  say("sealed %d, works %d", sealed, works());
}

CASE(advise_itself) {
  find_unknown();
  int pid = raw(434 /* pidfd_open */, getpid(), 0, 0, 0, 0, 0), done = 0;
  for (int i = 0; i < unknown_count; i++) {
    struct iovec range = {(void *)unknown[i].start, unknown[i].end - unknown[i].start};
    done += raw(440 /* process_madvise */, pid, (long)&range, 1, MADV_DONTNEED, 0, 0) > 0;
    done += raw(440, -10000 /* PIDFD_SELF */, (long)&range, 1, MADV_DONTNEED, 0, 0) > 0;
  }
  say("done %d, works %d", done, works());
}

CASE(own_page_and_what_is_behind) {
  // A range that begins in the program's memory and goes on over whatever there is behind.
  find_unknown();
  char *own = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(munmap(own + 4096, 4096) == 0);
  *own = 1;
  check_equal(raw(SYS_mprotect, (long)own, 8192, PROT_READ, 0, 0, 0), -ENOMEM);
  check_equal(raw(SYS_mprotect, (long)own, 4096, PROT_READ | PROT_WRITE, 0, 0, 0), 0);
  for (int i = 0; i < unknown_count; i++) {
    // One page in front of each unknown range, if it is free.
    char *front = mmap((char *)unknown[i].start - 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (front == MAP_FAILED) continue;
    *front = 2;
    check_equal(raw(SYS_mprotect, (long)front, 8192, PROT_READ, 0, 0, 0), -ENOMEM);
    int ends[2];
    check(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    check(read(ends[0], front, 1) < 0 && errno == EFAULT);
    close(ends[0]);
    close(ends[1]);
    check_equal(raw(SYS_mprotect, (long)front, 4096, PROT_READ | PROT_WRITE, 0, 0, 0), 0);
    check_equal(raw(SYS_madvise, (long)front, 8192, MADV_DONTNEED, 0, 0, 0), -ENOMEM);
    check_equal(*front, 0);
    check_equal(raw(SYS_munmap, (long)front, 8192, 0, 0, 0, 0), 0);
    check_equal(raw(SYS_msync, (long)front, 4096, MS_ASYNC, 0, 0, 0), -ENOMEM);
  }
  say("works %d", works());
}

CASE(bad_arguments) {
  find_unknown();
  unsigned long at = unknown_count ? unknown[0].start : gaps[0].start;
  check_equal(raw(SYS_munmap, at + 1, 4096, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_munmap, at, 0, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_munmap, at, 1ul << 47, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_munmap, at, -4096, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_mprotect, at + 1, 4096, PROT_READ, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_mprotect, at, 0, PROT_READ, 0, 0, 0), 0);
  check_equal(raw(SYS_mprotect, at, -8192, PROT_READ, 0, 0, 0), -ENOMEM);
  check_equal(raw(SYS_madvise, at + 1, 4096, MADV_DONTNEED, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_madvise, at, 0, MADV_DONTNEED, 0, 0, 0), 0);
  check_equal(raw(SYS_madvise, at, -4096, MADV_DONTNEED, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_mmap, at + 1, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), -EINVAL);
  check_equal(raw(SYS_mremap, at + 1, 4096, 8192, MREMAP_MAYMOVE, 0, 0), -EINVAL);
  say("done");
}

CASE(break_grows_far) {
  // The heap grows over hundreds of megabytes, whatever has come in between.
  char *start = (char *)raw(SYS_brk, 0, 0, 0, 0, 0, 0);
  int grown = 0;
  for (int i = 1; i <= 256; i++) grown += raw(SYS_brk, (long)start + (i << 20), 0, 0, 0, 0, 0) == (long)start + (i << 20);
  if (grown) start[(grown << 20) - 1] = 1;
  say("grown %d", grown);
  check_equal(raw(SYS_brk, (long)start, 0, 0, 0, 0, 0), (long)start);
  say("works %d", works());
}
