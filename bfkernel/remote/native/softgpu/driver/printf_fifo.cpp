// SPDX-License-Identifier: BSD-3-Clause
#include "printf_fifo.h"

#include <cstdio>

namespace softgpu::driver {

void PrintfFifo::write(std::string_view text) {
  std::lock_guard lock(mutex_);
  lines_.emplace_back(text);
  bytes_ += text.size();
  trim();
}

void PrintfFifo::set_limit(size_t bytes) {
  std::lock_guard lock(mutex_);
  limit_ = bytes;
  trim();
}

void PrintfFifo::trim() {
  while (bytes_ > limit_ && lines_.size() > 1) {
    bytes_ -= lines_.front().size();
    lines_.pop_front();
  }
}

void PrintfFifo::flush() {
  std::lock_guard order(output_);
  std::deque<std::string> lines;
  {
    std::lock_guard lock(mutex_);
    if (lines_.empty()) return;
    lines.swap(lines_);
    bytes_ = 0;
  }
  for (const std::string& line : lines) std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

}  // namespace softgpu::driver
