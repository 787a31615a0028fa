// SPDX-License-Identifier: BSD-3-Clause
// What every exported symbol does around its call: checks, tracing, and turning exceptions into results.
#pragma once

#include <new>

#include "shim/api.h"
#include "shim/failure.h"
#include "shim/host_functions.h"
#include "shim/log.h"
#include "shim/news.h"
#include "shim/process.h"
#include "shim/thread.h"
#include "wire/codec.h"

#define BFKERNEL_EXPORT __attribute__((visibility("default")))

namespace shim {

enum class Mode { early, normal, per_thread };

// A call that is not forwarded: said once, with the reason, then CUDA_ERROR_NOT_SUPPORTED.
CUresult absent(const char* name, const char* why);

// What a program is told when an exception reached the edge of the library.
CUresult unexpected(const char* name, const char* what) noexcept;

template <class Body>
CUresult guarded(const char* name, Body&& body) noexcept {
  try {
    return body();
  } catch (const Failure& failure) {
    return failure.result;
  } catch (const std::bad_alloc&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    return unexpected(name, error.what());
  }
}

template <class Body, class... A>
[[gnu::noinline]] CUresult watched(Mode mode, const char* name, Body&& body, const A&... arguments) noexcept {
  if (mode == Mode::normal && host_functions::running_here()) return CUDA_ERROR_NOT_PERMITTED;
  news::tell();
  if (!log::tracing) return guarded(name, body);
  const auto begin = std::chrono::steady_clock::now();
  const CUresult result = guarded(name, body);
  const auto took = std::chrono::steady_clock::now() - begin;
  guarded(name, [&] {
    std::string text;
    (log::append(text, arguments), ...);
    log::trace(name, text, result, took);
    return CUDA_SUCCESS;
  });
  return result;
}

template <Mode mode, class Body, class... A>
CUresult enter(const char* name, Body&& body, const A&... arguments) noexcept {
  if constexpr (mode == Mode::per_thread) {
    const PerThreadScope scope;
    return enter<Mode::normal>(name, body, arguments...);
  } else {
    if constexpr (mode == Mode::normal) {
      if (const CUresult result = process::check(); result != CUDA_SUCCESS) return result;
    }
    if (process::watched.load(std::memory_order_relaxed)) [[unlikely]]
      return watched(mode, name, body, arguments...);
    return guarded(name, body);
  }
}

}  // namespace shim
