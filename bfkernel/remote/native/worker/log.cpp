// SPDX-License-Identifier: BSD-3-Clause
#include "worker/log.h"

#include <unistd.h>

#include <cstdarg>
#include <cstdio>

namespace worker {
namespace {
std::string& lease_name() {
  static std::string name = "-";
  return name;
}
}  // namespace

void set_log_lease(const std::string& lease) { lease_name() = lease; }

void log_line(const char* format, ...) {
  char text[1024];
  int length = std::snprintf(text, sizeof text, "bfkernel-worker lease=%.64s pid=%d: ", lease_name().c_str(),
                             getpid());
  va_list arguments;
  va_start(arguments, format);
  length += std::vsnprintf(text + length, sizeof text - length - 1, format, arguments);
  va_end(arguments);
  if (length > static_cast<int>(sizeof text) - 2) length = sizeof text - 2;
  // What the client sent may be part of the text: it must stay one line.
  for (int i = 0; i < length; ++i) {
    if (static_cast<unsigned char>(text[i]) < ' ') text[i] = '?';
  }
  text[length] = '\n';
  // One write a line, so that the lines of many workers on one file do not mix.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, length + 1);
}

}  // namespace worker
