# clang and its tools: compile, optimise, assemble in-process, link, run; diagnostics.
set -e
cat > program.cc <<'TEXT'
#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>
template <int n> struct Fibonacci { static constexpr long value = Fibonacci<n - 1>::value + Fibonacci<n - 2>::value; };
template <> struct Fibonacci<0> { static constexpr long value = 0; };
template <> struct Fibonacci<1> { static constexpr long value = 1; };
int main() {
  std::vector<int> v(1000); std::iota(v.begin(), v.end(), 0); std::sort(v.begin(), v.end(), [](int a, int b) { return a % 37 < b % 37 || (a % 37 == b % 37 && a < b); });
  try { v.at(5000); } catch (const std::exception &e) { std::puts(e.what()); }
  std::printf("%d %ld\n", v[500], Fibonacci<80>::value); return 5;
}
TEXT
for level in -O0 -O2 -Os; do clang++ $level -c program.cc -o program$level.o; clang++ program$level.o -o program$level; ./program$level || echo "status $?"; cksum < program$level.o; done
clang++ -O1 -S -emit-llvm program.cc -o - | grep -c '^define'
clang -fsyntax-only -x c - <<< 'int x = "text";' || echo "status $?"
echo 'int f(int *p) { return p[1] + p[0]; }' | clang -O2 -x c -S -o - - | grep -c add
