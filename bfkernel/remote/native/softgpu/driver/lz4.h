// SPDX-License-Identifier: BSD-3-Clause
// Decoding of one raw LZ4 block, as fat binaries hold them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace softgpu::driver {

// Nothing when the block is damaged or does not yield exactly `size` bytes.
std::optional<std::string> lz4_decode(std::span<const std::byte> block, size_t size);

}  // namespace softgpu::driver
