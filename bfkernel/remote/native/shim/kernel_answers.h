// SPDX-License-Identifier: BSD-3-Clause
// What the worker has said of a kernel and need not be asked again: the attributes that were set, and how
// many blocks of a size fit a multiprocessor. cuBLAS sets the same attributes before each launch.
#pragma once

#include <compare>
#include <map>
#include <mutex>
#include <vector>

#include "shim/contexts.h"
#include "shim/cuda_api.h"

namespace shim {

class KernelAnswers {
 public:
  // Where an attribute was set: the calling thread's context, and the device for which, -1: the context's
  // own.
  struct Scope {
    const ContextObject* context = nullptr;
    unsigned ends = 0;  // the context's, then
    CUdevice device = -1;
    auto operator<=>(const Scope&) const = default;
  };
  static Scope here(CUdevice device = -1);

  // Calls `set`, which throws Failure, unless the attribute has this value there.
  template <class Set>
  void set(CUfunction_attribute attribute, const Scope& scope, int value, Set set) {
    const std::lock_guard lock(mutex_);  // also while the worker is asked: answers stay in its order
    if (has(attribute, scope, value)) return;
    forget(attribute);
    set();
    settings_.push_back({attribute, scope, value});
  }

  // Its memory is another kernel's from now on.
  void renew();

  struct Question {
    Scope scope;
    int block_size = 0;
    size_t shared_bytes = 0;
    unsigned flags = 0;
    auto operator<=>(const Question&) const = default;
  };
  // The blocks that fit, by `ask`, which throws Failure, where that is not known.
  template <class Ask>
  int blocks(const Question& question, Ask ask) {
    const std::lock_guard lock(mutex_);
    if (const auto known = blocks_.find(question); known != blocks_.end()) return known->second;
    const int answer = ask();
    if (blocks_.size() >= kMost) blocks_.clear();
    return blocks_[question] = answer;
  }

 private:
  struct Setting {
    CUfunction_attribute attribute;
    Scope scope;
    int value;
  };
  bool has(CUfunction_attribute attribute, const Scope& scope, int value) const;
  void forget(CUfunction_attribute attribute);

  static constexpr size_t kMost = 256;  // questions that are remembered

  std::mutex mutex_;
  std::vector<Setting> settings_;
  std::map<Question, int> blocks_;
};

}  // namespace shim
