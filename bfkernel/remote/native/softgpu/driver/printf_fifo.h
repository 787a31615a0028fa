// SPDX-License-Identifier: BSD-3-Clause
// What a context's kernels have printed since the last synchronisation.
#pragma once

#include <cstddef>
#include <cstdio>
#include <deque>
#include <mutex>
#include <string>

#include "engine/engine.h"

namespace softgpu::driver {

class PrintfFifo final : public PrintfSink {
 public:
  void write(std::string_view text) override { append(stdout, text); }
  void write_error(std::string_view text) override { append(stderr, text); }
  // Writes everything to the process's stdout and stderr.
  void flush();
  // As on a GPU the oldest output is lost when more is printed between two synchronisations than this.
  void set_limit(size_t bytes);
  size_t limit() const { return limit_; }

 private:
  struct Line {
    std::FILE* to;
    std::string text;
  };
  void append(std::FILE* to, std::string_view text);
  void trim();

  std::mutex mutex_;
  std::mutex output_;  // keeps the output of two flushes in order
  std::deque<Line> lines_;
  size_t bytes_ = 0;
  size_t limit_ = size_t{1} << 20;
};

}  // namespace softgpu::driver
