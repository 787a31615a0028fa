// SPDX-License-Identifier: BSD-3-Clause
// The JSON greetings that open a data connection (docs/reference/protocol.md, 2.1).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "wire/json.h"

namespace wire {

inline constexpr std::string_view kGreetingMagic = "BFKERNEL";
inline constexpr uint32_t kMaxGreeting = 65536;

// Writes one greeting to a connected socket. Throws std::system_error.
void send_greeting(int fd, const json::Object& greeting, std::chrono::milliseconds timeout);

// Reads one greeting and not a byte more. Throws Malformed, or std::system_error (ETIMEDOUT when the time is
// over, ECONNRESET when the other side closed).
json::Value receive_greeting(int fd, std::chrono::milliseconds timeout);

// 64-bit numbers travel as hexadecimal strings, since JSON numbers are doubles.
std::string hex(uint64_t number);
uint64_t parse_hex(const std::string& text);  // throws Malformed

}  // namespace wire
