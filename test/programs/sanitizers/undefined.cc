// C++ with UndefinedBehaviorSanitizer, alone or with AddressSanitizer: containers, exceptions, threads, and, with an
// argument, one of each error.
#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Base {
  virtual ~Base() = default;
  virtual int value() const { return 1; }
};
struct Derived : Base {
  int value() const override { return 2; }
};

static int thrown(int depth) {
  std::string text(100, 'x');
  if (depth == 0) throw std::runtime_error("thrown");
  return thrown(depth - 1) + static_cast<int>(text.size());
}

int main(int argc, char **argv) {
  std::map<std::string, std::vector<int>> map;
  for (int i = 0; i < 50000; i++) map["key " + std::to_string(i * 7919L % 503)].push_back(i);
  long sum = 0;
  for (auto &[key, values] : map) sum += static_cast<long>(key.size()) * *std::max_element(values.begin(), values.end());
  std::printf("%zu %ld\n", map.size(), sum);

  std::vector<std::thread> threads;
  std::vector<int> caught(4);
  for (int i = 0; i < 4; i++)
    threads.emplace_back([i, &caught] {
      for (int j = 0; j < 200; j++) {
        try {
          thrown(20);
        } catch (const std::exception &error) {
          caught[i] += static_cast<int>(std::strlen(error.what()));
        }
      }
    });
  for (auto &thread : threads) thread.join();
  std::printf("%d %d\n", caught[0], caught[3]);

  std::unique_ptr<Base> object = std::make_unique<Derived>();
  std::printf("%d %d\n", object->value(), dynamic_cast<Derived *>(object.get()) != nullptr);
  std::fflush(stdout);
  if (argc < 2) return 0;

  volatile int large = INT_MAX, shift = 33, zero = 0, behind = 5;
  std::printf("%d\n", large + argc);
  std::printf("%d\n", 1 << shift);
  volatile float huge = 1e20f;
  std::printf("%d\n", static_cast<int>(huge) == INT_MIN);
  static int array[5];
  static char bytes[64];
  std::printf("%d\n", *reinterpret_cast<int *>(bytes + 17 + zero));
  if (!std::strcmp(argv[1], "bounds")) std::printf("%d\n", array[behind] != 0);
  std::fflush(stdout);
  if (!std::strcmp(argv[1], "container")) {
    std::vector<int> vector(5);
    std::printf("%d\n", vector[behind]);
  }
  return 4;
}
