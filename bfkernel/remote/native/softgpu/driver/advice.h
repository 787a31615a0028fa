// SPDX-License-Identifier: BSD-3-Clause
// What a program advised about its managed memory. Device and host are one memory here, so advice changes
// nothing but what cuMemRangeGetAttribute answers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "api.h"

namespace softgpu::driver {

// Devices are numbered as the program does; the host is one more "device".
constexpr int kNowhere = -2;  // CU_DEVICE_INVALID
constexpr int kHost = -1;     // CU_DEVICE_CPU

struct Advised {
  bool read_mostly = false;
  int preferred = kNowhere;
  int prefetched = kNowhere;
  std::vector<int> accessed_by;  // sorted
};

class Advice {
 public:
  static Advice& instance();

  void change(uint64_t begin, uint64_t end, const std::function<void(Advised&)>& change);
  // What is known of every part of [begin, end); parts of which nothing is known count as well.
  std::vector<Advised> of(uint64_t begin, uint64_t end) const;
  void forget(uint64_t begin, uint64_t end);

 private:
  struct Piece {
    uint64_t end;
    Advised advised;
  };
  void split(uint64_t at);

  mutable std::mutex mutex_;
  std::map<uint64_t, Piece> pieces_;  // by their beginning; they do not overlap
};

}  // namespace softgpu::driver
