// Mappings: code that the program makes, moves and removes; files mapped executable; limits; maps over what is there.
// variants: dynamic static
#include "cases.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

// mov $39,%eax; syscall; ret (getpid), and a second one: mov $0x1234,%eax; syscall; ret.
static const unsigned char get_pid[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
static const unsigned char no_call[] = {0xb8, 0x34, 0x12, 0, 0, 0x0f, 0x05, 0xc3};
typedef long (*function)(void);

CASE(write_then_execute) {
  unsigned char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(page, get_pid, sizeof get_pid);
  check(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
  check_equal(((function)page)(), getpid());
  // Changed through a writable phase, as a JIT with W^X does.
  for (int i = 0; i < 20; i++) {
    check(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
    memcpy(page, i % 2 ? get_pid : no_call, sizeof get_pid);
    check(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
    check_equal(((function)page)(), i % 2 ? getpid() : -ENOSYS);
  }
  check(munmap(page, 8192) == 0);
  say("done");
}

CASE(writable_and_executable) {
  unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return say("refused: errno %d", errno);
  for (int i = 0; i < 20; i++) {
    memcpy(page, i % 2 ? get_pid : no_call, sizeof get_pid);
    check_equal(((function)page)(), i % 2 ? getpid() : -ENOSYS);
  }
  // Written by the kernel.
  int ends[2];
  check(pipe(ends) == 0 && write(ends[1], get_pid, sizeof get_pid) == sizeof get_pid);
  check_equal(read(ends[0], page + 64, sizeof get_pid), sizeof get_pid);
  check_equal(((function)(page + 64))(), getpid());
  say("done");
}

CASE(call_across_pages) {
  // The instruction's two bytes lie on two pages.
  unsigned char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(pages + 4096 - 6, get_pid, sizeof get_pid);
  check(mprotect(pages, 8192, PROT_READ | PROT_EXEC) == 0);
  check_equal(((function)(pages + 4096 - 6))(), getpid());
  say("done");
}

static void write_code(const char *name, const unsigned char *code, size_t size, size_t total) {
  unsigned char *buffer = calloc(1, total);
  memset(buffer, 0xcc, total);
  memcpy(buffer, code, size);
  int file = open(name, O_CREAT | O_RDWR | O_TRUNC, 0700);
  check(write(file, buffer, total) == (ssize_t)total);
  close(file);
  free(buffer);
}

CASE(executable_file_mappings) {
  write_code("code", get_pid, sizeof get_pid, 4096);
  int file = open("code", O_RDWR);
  unsigned char *private = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  unsigned char *shared = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  check(private != MAP_FAILED && shared != MAP_FAILED);
  check_equal(((function)private)(), getpid());
  check_equal(((function)shared)(), getpid());
  // The file on disk is what it was.
  unsigned char back[sizeof get_pid];
  check(pread(file, back, sizeof back, 0) == sizeof back);
  say("file unchanged %d", memcmp(back, get_pid, sizeof back) == 0);
}

CASE(mapping_past_the_end_of_a_file) {
  write_code("short", get_pid, sizeof get_pid, sizeof get_pid);
  int file = open("short", O_RDONLY);
  unsigned char *code = mmap(0, 65536, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  check(code != MAP_FAILED);
  check_equal(((function)code)(), getpid());
  say("done");
}

CASE(move_and_remove_code) {
  unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(page, get_pid, sizeof get_pid);
  check(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
  check_equal(((function)page)(), getpid());
  unsigned char *moved = mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  check(moved != MAP_FAILED && moved != page);
  check_equal(((function)moved)(), getpid());
  check(munmap(moved, 4096) == 0);
  unsigned char *again = mmap(moved, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  memcpy(again, no_call, sizeof no_call);
  check(mprotect(again, 4096, PROT_READ | PROT_EXEC) == 0);
  check_equal(((function)again)(), -ENOSYS);
  say("done");
}

CASE(replace_code_by_data) {
  unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(page, get_pid, sizeof get_pid);
  check_equal(((function)page)(), getpid());
  check(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
  memset(page, 0x42, 4096);
  int wrong = 0;
  for (int i = 0; i < 4096; i++) wrong += page[i] != 0x42;
  check(madvise(page, 4096, MADV_DONTNEED) == 0);
  for (int i = 0; i < 4096; i++) wrong += page[i] != 0;
  say("wrong %d", wrong);
}

CASE(many_code_regions) {
  long bad = 0;
  for (int i = 0; i < 500; i++) {
    unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, get_pid, sizeof get_pid);
    bad += mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0;
    bad += ((function)page)() != getpid();
    if (i % 3) munmap(page, 4096);
  }
  say("bad %ld", bad);
}

CASE(unmap_unknown_is_harmless) {
  // Holes have nothing to unmap, and unmapping nothing succeeds.
  char *area = mmap(0, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(munmap(area, 1 << 20) == 0);
  check(munmap(area, 1 << 20) == 0);
  check_equal(raw(SYS_munmap, 1, 4096, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_munmap, (long)area, 0, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_mprotect, (long)area, 4096, PROT_READ, 0, 0, 0), -ENOMEM);
  check_equal(raw(SYS_mprotect, (long)area + 1, 4096, PROT_READ, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_mmap, 0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), -EINVAL);
  check_equal(raw(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, -1, 0), -EBADF);
  check_equal(raw(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0, 1), -EINVAL);
  check_equal(raw(SYS_mmap, (long)area, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0), (long)area);
  check_equal(raw(SYS_mmap, (long)area, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000, -1, 0), -EEXIST);
  say("done");
}

CASE(address_space_limit) {
  // A limit that leaves room for the program, not for reservations without measure.
  struct rlimit limit = {200 << 20, 200 << 20};
  pid_t pid = fork();
  if (pid == 0) {
    setrlimit(RLIMIT_AS, &limit);
    execl("/bin/true", "true", (char *)0);
    _exit(1);
  }
  wait_and_say(pid, "true in 200 MB");
  pid = fork();
  if (pid == 0) {
    setrlimit(RLIMIT_AS, &limit);
    void *big = malloc(400 << 20);
    _exit(big ? 1 : 2);
  }
  wait_and_say(pid, "malloc of too much");
}

static void *map_and_call(void *argument) {
  long bad = 0;
  for (int i = 0; i < 100; i++) {
    unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, get_pid, sizeof get_pid);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    bad += ((function)page)() != getpid();
    munmap(page, 4096);
  }
  return (void *)bad;
}

CASE(code_in_threads) {
  pthread_t threads[4];
  long sum = 0;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, map_and_call, 0);
  for (int i = 0; i < 4; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  say("bad %ld", sum);
}

CASE(code_after_fork) {
  // Parent and child write different code to the same address.
  unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int bad = 0;
  for (int i = 0; i < 20; i++) {
    pid_t pid = fork();
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    memcpy(page, pid ? get_pid : no_call, sizeof get_pid);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    for (int n = 0; n < 100; n++) bad += ((function)page)() != (pid ? getpid() : -ENOSYS);
    if (pid == 0) _exit(bad);
    int status;
    waitpid(pid, &status, 0);
    bad += status != 0;
  }
  say("bad %d", bad);
}

CASE(vdso_and_vsyscall) {
  struct timespec vdso, call;
  clock_gettime(CLOCK_MONOTONIC, &vdso);
  raw(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&call, 0, 0, 0, 0);
  check(call.tv_sec > vdso.tv_sec || (call.tv_sec == vdso.tv_sec && call.tv_nsec >= vdso.tv_nsec));
  unsigned processor = ~0u;
  check(raw(SYS_getcpu, (long)&processor, 0, 0, 0, 0, 0) == 0);
  check_equal(raw(SYS_clock_gettime, 9999, (long)&call, 0, 0, 0, 0), -EINVAL);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  int vsyscall = 0, has_vdso = 0;
  while (fgets(line, sizeof line, maps)) {
    vsyscall |= strstr(line, "[vsyscall]") && strstr(line, "xp") ? 1 : 0;
    has_vdso |= strstr(line, "[vdso]") != 0;
  }
  say("[vdso] is named %d", has_vdso);
  if (vsyscall) {
    time_t (*vsyscall_time)(time_t *) = (time_t(*)(time_t *))0xffffffffff600400;
    time_t now = time(0), got = vsyscall_time(0);
    check(got - now <= 2);
  }
  say("done");
}
