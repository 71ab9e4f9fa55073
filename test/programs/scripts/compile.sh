# The driver, cc1, as, collect2 and ld, the shared library that they make, and the program itself.
set -e
cat > part.c <<'TEXT'
#include <math.h>
#include <stdio.h>
double part(int n) { double sum = 0; for (int i = 1; i <= n; i++) sum += sqrt(i); return sum; }
TEXT
cat > program.c <<'TEXT'
#include <stdio.h>
double part(int);
int main(int argc, char **argv) { printf("%s has %d arguments, sum %.6f\n", argv[0], argc - 1, part(1000)); return 3; }
TEXT
gcc -O2 -Wall -c part.c
gcc -O2 -fPIC -shared -o libpart.so part.c -lm
gcc -O0 -g -pipe -o static-link program.c part.o -lm
gcc -O2 -save-temps -o dynamic-link program.c -L. -lpart -Wl,-rpath,'$ORIGIN'
cksum part.o libpart.so static-link dynamic-link dynamic-link-program.s
./static-link one two || echo "status $?"
./dynamic-link || echo "status $?"
echo 'int x = ;' | gcc -xc -c - -o none.o || echo "status $?"
objdump -d part.o | grep -c sqrt
nm libpart.so | grep ' T '
