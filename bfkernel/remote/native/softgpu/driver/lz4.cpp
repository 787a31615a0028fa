// SPDX-License-Identifier: BSD-3-Clause
#include "lz4.h"

#include <cstdint>

namespace softgpu::driver {
namespace {

constexpr size_t kShortestMatch = 4;

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  bool empty() const { return at_ == bytes_.size(); }
  bool damaged() const { return damaged_; }

  uint8_t byte() {
    if (at_ >= bytes_.size()) return damaged_ = true, 0;
    return static_cast<uint8_t>(bytes_[at_++]);
  }

  // A length of 15 in a token goes on in the bytes that follow, until one is not 255.
  size_t length(size_t first) {
    if (first != 15) return first;
    uint8_t more;
    do {
      more = byte();
      first += more;
    } while (more == 255 && !damaged_);
    return first;
  }

  std::span<const std::byte> take(size_t count) {
    if (count > bytes_.size() - at_) return damaged_ = true, std::span<const std::byte>{};
    at_ += count;
    return bytes_.subspan(at_ - count, count);
  }

 private:
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
  bool damaged_ = false;
};

}  // namespace

std::optional<std::string> lz4_decode(std::span<const std::byte> block, size_t size) {
  Reader in(block);
  std::string out;
  out.reserve(size);
  while (!in.empty() && !in.damaged()) {
    uint8_t token = in.byte();
    auto literals = in.take(in.length(token >> 4));
    if (literals.size() > size - out.size()) return std::nullopt;
    out.append(reinterpret_cast<const char*>(literals.data()), literals.size());
    if (in.empty()) break;  // the last sequence has no match
    size_t distance = in.byte();
    distance |= static_cast<size_t>(in.byte()) << 8;
    size_t length = in.length(token & 15) + kShortestMatch;
    if (in.damaged() || distance == 0 || distance > out.size() || length > size - out.size())
      return std::nullopt;
    for (size_t from = out.size() - distance; length > 0; --length) out.push_back(out[from++]);
  }
  if (in.damaged() || out.size() != size) return std::nullopt;
  return out;
}

}  // namespace softgpu::driver
