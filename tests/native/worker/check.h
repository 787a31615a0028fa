// SPDX-License-Identifier: BSD-3-Clause
// As much of a test framework as these tests need: named cases, and checks that say what they saw.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace test {

struct Case {
  const char* name;
  std::function<void()> run;
};
inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
struct Register {
  Register(const char* name, std::function<void()> run) { cases().push_back({name, std::move(run)}); }
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  std::abort();
}

template <class A, class B>
void equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (a == b) return;
  std::ostringstream out;
  out << text << ": " << +a << " and " << +b;
  fail(file, line, out.str());
}

inline int run_all(int argc, char** argv) {
  for (const Case& one : cases()) {
    if (argc > 1 && std::string(argv[1]) != one.name) continue;
    std::fprintf(stderr, "%s\n", one.name);
    one.run();
  }
  return 0;
}

}  // namespace test

#define TEST(name)                                          \
  static void name();                                       \
  static const test::Register register_##name(#name, name); \
  static void name()
#define CHECK(condition) \
  if (!(condition)) test::fail(__FILE__, __LINE__, #condition)
#define CHECK_EQUAL(a, b) test::equal((a), (b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_THROWS(type, expression)                                                 \
  do {                                                                                 \
    bool thrown = false;                                                               \
    try {                                                                              \
      (void)(expression);                                                              \
    } catch (const type&) {                                                            \
      thrown = true;                                                                   \
    }                                                                                  \
    if (!thrown) test::fail(__FILE__, __LINE__, #expression " does not throw " #type); \
  } while (false)
#define TEST_MAIN \
  int main(int argc, char** argv) { return test::run_all(argc, argv); }
