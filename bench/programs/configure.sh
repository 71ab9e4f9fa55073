# What a configure script does: small tools, pipelines, and now and then the compiler.
for feature in stdio stdlib string unistd fcntl; do
  echo "#include <$feature.h>" >conftest.c
  if gcc -c -o conftest.o conftest.c 2>conftest.err; then
    echo "#define HAVE_$(echo $feature | tr a-z A-Z)_H 1" | sed 's/_H 1$/_H 1/' >>confdefs.h
  fi
  rm -f conftest.o conftest.err
  expr "$feature" : '.*d' >/dev/null || true
  test "$(uname -s)" = Linux && cat confdefs.h | grep -c HAVE >/dev/null
done
rm -f conftest.c confdefs.h
