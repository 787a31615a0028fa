// SPDX-License-Identifier: BSD-3-Clause
// BLAKE2b (RFC 7693), 32 bytes of it: the name of code that a GPU server keeps. A cryptographic hash, and
// with plain 64-bit arithmetic several times as fast as SHA-256 is without instructions of its own.
#pragma once

#include <array>
#include <string>

#include "wire/codec.h"

namespace wire {

using Digest = std::array<std::byte, 32>;

Digest blake2(Bytes data);

// 64 lower-case digits.
std::string hex(const Digest& digest);

}  // namespace wire
