// The smallest program of each linkage.
// variants: dynamic fixed static static-pie musl musl-static
#include "cases.h"

CASE(hello) {
  printf("hello, %s\n", "world");
  fflush(stdout);
}

CASE(exit_status) { exit(7); }

CASE(raw_write) { check_equal(raw(SYS_write, 1, (long)"raw\n", 4, 0, 0, 0), 4); }

CASE(echo) {
  char buffer[64];
  ssize_t size;
  while ((size = read(0, buffer, sizeof buffer)) > 0) check(write(1, buffer, size) == size);
}

CASE(floats) {
  double sum = 0;
  for (int i = 1; i < 1000; i++) sum += 1.0 / i;
  say("%.12f", sum);
}

CASE(abort) { abort(); }
