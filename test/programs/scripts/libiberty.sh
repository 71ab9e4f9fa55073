# A real source tree (libiberty of binutils): its configure script of a thousand small processes, make -j2, its own tests.
tar xf /usr/src/binutils/binutils-*.tar.xz --wildcards '*/libiberty' '*/include' '*/config*' '*/install-sh' '*/ltmain.sh' '*/missing' '*/*.m4' '*/move-if-change' --exclude='*/testsuite/*.exp'
mv binutils-* source
mkdir build; cd build
../source/libiberty/configure CFLAGS=-O1 > configure.log 2>&1; echo "configure: $?"
sed -E 's/^(uname|hostname|PATH|On |  \$|\/).*//' config.h | cksum
make -j2 > make.log 2>&1; echo "make: $?"
for object in *.o; do objdump -d "$object" | cksum | sed "s/$/ $object/"; done
ar t libiberty.a | sort | cksum
make check > check.log 2>&1; echo "check: $?"
grep -E '^(PASS|FAIL)' check.log
