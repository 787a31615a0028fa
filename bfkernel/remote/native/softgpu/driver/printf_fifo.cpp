// SPDX-License-Identifier: BSD-3-Clause
#include "printf_fifo.h"

namespace softgpu::driver {

void PrintfFifo::append(std::FILE* to, std::string_view text) {
  std::lock_guard lock(mutex_);
  lines_.push_back({to, std::string(text)});
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
    bytes_ -= lines_.front().text.size();
    lines_.pop_front();
  }
}

void PrintfFifo::flush() {
  std::lock_guard order(output_);
  std::deque<Line> lines;
  {
    std::lock_guard lock(mutex_);
    if (lines_.empty()) return;
    lines.swap(lines_);
    bytes_ = 0;
  }
  for (const Line& line : lines) std::fwrite(line.text.data(), 1, line.text.size(), line.to);
  std::fflush(stdout);
}

}  // namespace softgpu::driver
