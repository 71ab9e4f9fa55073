// Executes each file that it is given and says what became of it: the oracle of test/load.
//
//     exec-status [--through LAUNCHER] FILE...
//
// One line for each file: `errno N`, `exit N` or `signal N`, a tab, the first bytes of its standard output, a tab, and of
// its standard error (a newline reads as `|`). With --through LAUNCHER it executes `LAUNCHER run -- FILE` instead.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void print_file(int file) {
  char text[400];
  ssize_t size = pread(file, text, sizeof text, 0);
  putchar('\t');
  for (ssize_t i = 0; i < size; i++) putchar(text[i] == '\n' ? '|' : text[i] >= ' ' && text[i] < 127 ? text[i] : '?');
}

int main(int argc, char **argv) {
  const char *launcher = 0;
  int first = 1;
  if (argc > 2 && strcmp(argv[1], "--through") == 0) {
    launcher = argv[2];
    first = 3;
  }
  for (int i = first; i < argc; i++) {
    int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    // Becomes the errno of an execve that failed. Shared memory, not a pipe: a bad file may be executed for a while.
    int *failed = mmap(0, sizeof *failed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      alarm(20);
      dup2(open("/dev/null", O_RDONLY), 0);
      dup2(out, 1);
      dup2(err, 2);
      char *natively[] = {argv[i], "argument", 0};
      char *through[] = {(char *)launcher, "run", "--", argv[i], "argument", 0};
      if (launcher) execv(launcher, through);
      else execv(argv[i], natively);
      *failed = errno;
      _exit(99);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    if (*failed) printf("errno %d", *failed);
    else if (WIFSIGNALED(status)) printf("signal %d", WTERMSIG(status));
    else printf("exit %d", WEXITSTATUS(status));
    print_file(out);
    print_file(err);
    putchar('\n');
    munmap(failed, sizeof *failed);
    close(out);
    close(err);
  }
  return 0;
}
