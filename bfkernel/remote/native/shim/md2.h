// SPDX-License-Identifier: BSD-3-Clause
// MD2 (RFC 1319) and its HMAC with blocks of 16 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace shim::md2 {

using Digest = std::array<uint8_t, 16>;

Digest hash(std::span<const uint8_t> message);
Digest hmac(const Digest& key, std::span<const uint8_t> message);

}  // namespace shim::md2
