// SPDX-License-Identifier: BSD-3-Clause
// What the shim tells on stderr. BFKERNEL_LOG=debug traces every call; =stats counts them, and the bytes that
// they sent, and those that went over stripes, at exit.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include "shim/cuda_api.h"

namespace shim::log {

inline bool tracing = false;  // set once, while the library is loaded

// One line "[bfkernel] …", kept in the log that a program can read.
void say(std::string_view line, CUlogLevel level = CU_LOG_LEVEL_ERROR);
// The same, but each text once a process.
void say_once(const std::string& line);

void trace(const char* name, const std::string& arguments, CUresult result, std::chrono::nanoseconds took);
void count(bool waiting, size_t bytes);
void count_striped(size_t bytes);  // over the stripes, in either direction

template <class T>
void append(std::string& out, const T& value) {
  if (!out.empty()) out += ", ";
  if constexpr (std::is_same_v<T, const char*>) {  // what the driver is given, never a buffer that it fills
    out += value ? '"' + std::string(value) + '"' : "(nil)";
  } else if constexpr (std::is_pointer_v<T>) {
    char text[20];
    snprintf(text, sizeof text, "%p", (const void*)value);  // functions too
    out += text;
  } else if constexpr (std::is_enum_v<T>) {
    out += std::to_string(static_cast<long long>(value));
  } else if constexpr (std::is_same_v<T, unsigned long long>) {
    char text[20];
    snprintf(text, sizeof text, "0x%llx", value);
    out += text;
  } else if constexpr (std::is_arithmetic_v<T>) {
    out += std::to_string(value);
  } else {
    out += "{…}";
  }
}

}  // namespace shim::log
