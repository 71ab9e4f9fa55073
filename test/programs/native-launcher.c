// Stands in for the launcher and runs the program natively: `launcher run [OPTIONS] -- PROG ARGS...`. With it, the
// differential tests compare native with native, which shows that they are deterministic themselves.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int i = 1;
  while (i < argc && strcmp(argv[i], "--") != 0) i++;
  if (i + 1 >= argc) return 125;
  execvp(argv[i + 1], argv + i + 1);
  perror(argv[i + 1]);
  return errno == ENOENT ? 127 : 126;
}
