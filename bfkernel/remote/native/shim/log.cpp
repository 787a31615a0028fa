// SPDX-License-Identifier: BSD-3-Clause
#include "shim/log.h"

#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <set>

#include "shim/logs.h"
#include "shim/process.h"

namespace shim::log {
namespace {

std::atomic<uint64_t> posted{0};
std::atomic<uint64_t> waiting_calls{0};
std::atomic<uint64_t> sent{0};     // bytes
std::atomic<uint64_t> striped{0};  // bytes

// One line on standard error.
void write_line(std::string_view line) {
  std::string text = "[bfkernel] ";
  text += line;
  text += '\n';
  // One write, so that lines of several threads and processes do not mix.
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
}

struct Settings {
  bool stats = false;
  Settings() {
    const char* level = std::getenv("BFKERNEL_LOG");
    tracing = level && std::string_view(level) == "debug";
    if (tracing) process::watched |= process::traced;
    stats = level && std::string_view(level) == "stats";
  }
  ~Settings() {
    if (stats)
      write_line(std::to_string(posted) + " posted and " + std::to_string(waiting_calls) +
                 " waiting calls, " + std::to_string(sent) + " bytes sent, " + std::to_string(striped) +
                 " there and back over stripes");
  }
} settings;

}  // namespace

void say(std::string_view line, CUlogLevel level) {
  write_line(line);
  logs::add(level, line);
}

void say_once(const std::string& line) {
  static std::mutex mutex;
  static auto& said = *new std::set<std::string>;  // used until the very end of the process
  {
    const std::lock_guard lock(mutex);
    if (!said.insert(line).second) return;
  }
  say(line);
}

void trace(const char* name, const std::string& arguments, CUresult result, std::chrono::nanoseconds took) {
  char tail[64];
  snprintf(tail, sizeof tail, ") = %d  %.1f us", static_cast<int>(result),
           static_cast<double>(took.count()) / 1e3);
  write_line(std::string(name) + "(" + arguments + tail);
}

// Nearly every call comes by here, and nearly nobody asks for the numbers.
void count(bool waiting, size_t bytes) {
  if (!settings.stats) return;
  (waiting ? waiting_calls : posted).fetch_add(1, std::memory_order_relaxed);
  sent.fetch_add(bytes, std::memory_order_relaxed);
}

void count_striped(size_t bytes) {
  if (settings.stats) striped.fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace shim::log
