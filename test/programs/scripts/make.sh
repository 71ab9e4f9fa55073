# A parallel build: make, its shells, compilers, archiver and the job server's pipe.
set -e
mkdir -p source
for i in 1 2 3 4 5 6; do
  echo "int value_$i(void) { return $i * $i; }" > source/value_$i.c
done
cat > source/main.c <<'TEXT'
#include <stdio.h>
int value_1(void), value_2(void), value_3(void), value_4(void), value_5(void), value_6(void);
int main(void) { printf("%d\n", value_1() + value_2() + value_3() + value_4() + value_5() + value_6()); return 0; }
TEXT
cat > Makefile <<'TEXT'
sources := $(wildcard source/value_*.c)
objects := $(sources:.c=.o)
all: program check
program: source/main.o libvalues.a
	$(CC) -o $@ source/main.o libvalues.a
libvalues.a: $(objects)
	rm -f $@; $(AR) rcsD $@ $(sort $^)
%.o: %.c
	$(CC) -O1 -c -o $@ $<
check: program
	test "$$(./program)" = 91 && echo checked > check
recursive:
	+$(MAKE) -s -C . deeper
deeper: one two three
one two three:
	echo $@ > $@; cat $@ > $@.copy
fails:
	exit 7
.PHONY: all recursive deeper one two three fails
TEXT
make -s -j2
./program
cat check
make -s -j2 recursive
cat one.copy two.copy three.copy
make -s -j2 && echo "up to date"
make -s -j2 fails 2>/dev/null || echo "status $?"
cksum program libvalues.a
