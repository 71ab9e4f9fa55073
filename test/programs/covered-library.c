// Half of it runs under test/cover.
int in_library(int n) {
  return n > 1 ? n + 1 : n * 3;
}
int not_called(int n) {
  return n + 2;
}
