// SPDX-License-Identifier: BSD-3-Clause
// The two entropy codes of Zstandard: finite state entropy and Huffman.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace softgpu::driver::zstd {

using Bytes = std::span<const uint8_t>;

// Thrown by everything here when the input cannot be what an encoder wrote.
struct Damaged {};

inline void check(bool condition) {
  if (!condition) throw Damaged{};
}

// Bytes in their order, each at most once.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}
  size_t left() const { return bytes_.size(); }
  uint64_t number(size_t size);  // little-endian
  Bytes take(size_t size);
  Bytes rest() const { return bytes_; }

 private:
  Bytes bytes_;
};

// Bits from the end of a stream to its beginning. Past the beginning there are zeros, and left() is negative.
class BitReader {
 public:
  explicit BitReader(Bytes bytes);
  uint64_t read(int count);
  int64_t left() const { return left_; }

 private:
  Bytes bytes_;
  int64_t left_;
};

// A table of finite state entropy.
class FseTable {
 public:
  FseTable() = default;
  // From the probabilities of the symbols; -1 is "less than one".
  FseTable(std::span<const int16_t> probabilities, int accuracy_log);
  // A table of one symbol.
  explicit FseTable(uint8_t symbol);
  // From a table description; *in is left behind it.
  static FseTable read(ByteReader* in, int most_accuracy_log, size_t most_symbols);

  bool empty() const { return entries_.empty(); }
  uint32_t start(BitReader* bits) const { return static_cast<uint32_t>(bits->read(accuracy_log_)); }
  uint8_t symbol(uint32_t state) const { return entries_[state].symbol; }
  uint32_t next(uint32_t state, BitReader* bits) const {
    const Entry& entry = entries_[state];
    return entry.base + static_cast<uint32_t>(bits->read(entry.bits));
  }

 private:
  struct Entry {
    uint8_t symbol;
    uint8_t bits;
    uint16_t base;
  };
  int accuracy_log_ = 0;
  std::vector<Entry> entries_;
};

class HuffmanTable {
 public:
  // From a tree description; *in is left behind it.
  static HuffmanTable read(ByteReader* in);
  bool empty() const { return entries_.empty(); }
  // Decodes one stream of exactly `size` symbols.
  void decode(Bytes stream, size_t size, std::string* out) const;

 private:
  explicit HuffmanTable(const std::vector<uint8_t>& weights);
  struct Entry {
    uint8_t symbol;
    uint8_t bits;
  };
  int most_bits_ = 0;
  std::vector<Entry> entries_;

 public:
  HuffmanTable() = default;
};

}  // namespace softgpu::driver::zstd
