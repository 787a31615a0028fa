// SPDX-License-Identifier: BSD-3-Clause
// Decoding of Zstandard frames (RFC 8878), as nvcc compresses the PTX in fat binaries. No dictionaries.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace softgpu::driver {

// Nothing when the frame is damaged or does not yield exactly `size` bytes.
std::optional<std::string> zstd_decode(std::span<const std::byte> frame, size_t size);

}  // namespace softgpu::driver
