# cmake configures and ninja builds a small project in C and C++ with generated code, a library and tests.
set -e
mkdir source; cat > source/CMakeLists.txt <<'TEXT'
cmake_minimum_required(VERSION 3.18)
project(small C CXX)
set(CMAKE_BUILD_TYPE Release)
add_custom_command(OUTPUT table.c COMMAND sh -c "echo 'const int table[] = {' > table.c && seq -s, 1 100 >> table.c && echo '};' >> table.c" VERBATIM)
add_library(part SHARED part.cc table.c)
foreach(n RANGE 1 5)
  add_executable(program${n} program.c)
  target_compile_definitions(program${n} PRIVATE N=${n})
  target_link_libraries(program${n} part)
endforeach()
enable_testing()
add_test(NAME small COMMAND program3)
TEXT
cat > source/part.cc <<'TEXT'
#include <map>
#include <string>
extern "C" const int table[];
extern "C" int part(int n) { std::map<std::string, int> m; for (int i = 0; i < 100; i++) m[std::to_string(table[i] % n)] += table[i]; return m.begin()->second; }
TEXT
cat > source/program.c <<'TEXT'
#include <stdio.h>
int part(int n);
int main(void) { printf("%d\n", part(N)); return 0; }
TEXT
cmake -G Ninja -S source -B build > configured; tail -1 configured
ninja -C build -j2 > built; tail -1 built | cut -c1-7
for n in 1 2 3 4 5; do build/program$n; done
ninja -C build | tail -1
touch source/program.c; ninja -C build -n | grep -c 'Building C '
(cd build && ctest | grep 'tests passed')
echo 'int broken = ;' >> source/program.c; ninja -C build -k 0 > broken || echo "status $?"; grep -c FAILED: broken
