// SPDX-License-Identifier: BSD-3-Clause
#include "zstd_entropy.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace softgpu::driver::zstd {

uint64_t ByteReader::number(size_t size) {
  Bytes bytes = take(size);
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) value |= uint64_t{bytes[i]} << (8 * i);
  return value;
}

Bytes ByteReader::take(size_t size) {
  check(size <= bytes_.size());
  Bytes taken = bytes_.first(size);
  bytes_ = bytes_.subspan(size);
  return taken;
}

BitReader::BitReader(Bytes bytes) : bytes_(bytes) {
  check(!bytes.empty() && bytes.back() != 0);
  // The highest set bit of the last byte marks the end of the stream.
  left_ = static_cast<int64_t>(bytes.size()) * 8 - std::countl_zero(bytes.back()) - 1;
}

uint64_t BitReader::read(int count) {
  uint64_t value = 0;
  for (int done = 0; done < count;) {
    --left_;
    if (left_ < 0) {  // zeros from here on
      left_ -= count - done - 1;
      return value << (count - done);
    }
    // As many bits of one byte as are wanted.
    int in_byte = static_cast<int>(left_ & 7) + 1;
    int taken = std::min(in_byte, count - done);
    uint8_t byte = bytes_[static_cast<size_t>(left_ >> 3)];
    value = value << taken | ((byte >> (in_byte - taken)) & ((1u << taken) - 1));
    left_ -= taken - 1;
    done += taken;
  }
  return value;
}

namespace {

// Bits from the beginning of a description on.
class ForwardBits {
 public:
  explicit ForwardBits(Bytes bytes) : bytes_(bytes) {}
  uint32_t peek(int count) const {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      size_t at = at_ + static_cast<size_t>(i);
      check(at / 8 < bytes_.size() || i > 0);  // a peek may look past the end, a start may not
      uint32_t bit = at / 8 < bytes_.size() ? bytes_[at / 8] >> (at % 8) & 1 : 0;
      value |= bit << i;
    }
    return value;
  }
  void skip(int count) { at_ += static_cast<size_t>(count); }
  uint32_t read(int count) {
    uint32_t value = peek(count);
    skip(count);
    return value;
  }
  size_t bytes() const { return (at_ + 7) / 8; }

 private:
  Bytes bytes_;
  size_t at_ = 0;
};

}  // namespace

FseTable FseTable::read(ByteReader* in, int most_accuracy_log, size_t most_symbols) {
  ForwardBits bits(in->rest());
  int accuracy_log = static_cast<int>(bits.read(4)) + 5;
  check(accuracy_log <= most_accuracy_log);
  std::vector<int16_t> probabilities;
  int remaining = 1 << accuracy_log;
  while (remaining > 0) {
    check(probabilities.size() < most_symbols);
    // Values up to remaining + 1 are written; the smaller ones with one bit less.
    int width = std::bit_width(static_cast<uint32_t>(remaining + 1));
    uint32_t value = bits.peek(width);
    uint32_t low_mask = (1u << (width - 1)) - 1;
    uint32_t short_values = (1u << width) - 1 - static_cast<uint32_t>(remaining + 1);
    if ((value & low_mask) < short_values) {
      bits.skip(width - 1);
      value &= low_mask;
    } else {
      bits.skip(width);
      if (value > low_mask) value -= short_values;
    }
    int probability = static_cast<int>(value) - 1;
    remaining -= std::abs(probability);
    probabilities.push_back(static_cast<int16_t>(probability));
    if (probability != 0) continue;
    uint32_t zeros;
    do {
      zeros = bits.read(2);
      probabilities.insert(probabilities.end(), zeros, 0);
    } while (zeros == 3);
  }
  check(remaining == 0 && probabilities.size() <= most_symbols);
  in->take(bits.bytes());
  return FseTable(probabilities, accuracy_log);
}

FseTable::FseTable(uint8_t symbol) : entries_{{symbol, 0, 0}} {}

FseTable::FseTable(std::span<const int16_t> probabilities, int accuracy_log) : accuracy_log_(accuracy_log) {
  size_t size = size_t{1} << accuracy_log;
  entries_.resize(size);
  std::vector<uint32_t> states(probabilities.size());
  size_t high = size;
  for (size_t s = 0; s < probabilities.size(); ++s) {
    states[s] = static_cast<uint32_t>(std::abs(probabilities[s]));
    if (probabilities[s] == -1) entries_[--high].symbol = static_cast<uint8_t>(s);
  }
  size_t step = (size >> 1) + (size >> 3) + 3;
  size_t at = 0;
  for (size_t s = 0; s < probabilities.size(); ++s) {
    for (int i = 0; i < probabilities[s]; ++i) {
      entries_[at].symbol = static_cast<uint8_t>(s);
      do at = (at + step) & (size - 1);
      while (at >= high);
    }
  }
  for (Entry& entry : entries_) {
    uint32_t state = states[entry.symbol]++;
    entry.bits = static_cast<uint8_t>(accuracy_log - (std::bit_width(state) - 1));
    entry.base = static_cast<uint16_t>((state << entry.bits) - size);
  }
}

namespace {

constexpr int kMostHuffmanBits = 11;

std::vector<uint8_t> compressed_weights(Bytes bytes) {
  ByteReader in(bytes);
  FseTable table = FseTable::read(&in, 6, 256);
  BitReader bits(in.rest());
  uint32_t states[2] = {table.start(&bits), table.start(&bits)};
  std::vector<uint8_t> weights;
  // Two states take turns; when the bits run out in the one, the other still holds a symbol.
  for (int turn = 0; weights.size() < 255; turn ^= 1) {
    weights.push_back(table.symbol(states[turn]));
    states[turn] = table.next(states[turn], &bits);
    if (bits.left() >= 0) continue;
    weights.push_back(table.symbol(states[turn ^ 1]));
    return weights;
  }
  throw Damaged{};
}

}  // namespace

HuffmanTable HuffmanTable::read(ByteReader* in) {
  size_t header = in->number(1);
  if (header < 128) return HuffmanTable(compressed_weights(in->take(header)));
  size_t count = header - 127;
  Bytes packed = in->take((count + 1) / 2);
  std::vector<uint8_t> weights(count);
  for (size_t i = 0; i < count; ++i) weights[i] = i % 2 ? packed[i / 2] & 15 : packed[i / 2] >> 4;
  return HuffmanTable(weights);
}

HuffmanTable::HuffmanTable(const std::vector<uint8_t>& given) {
  std::vector<uint8_t> weights = given;
  uint32_t sum = 0;
  for (uint8_t weight : weights) {
    check(weight <= kMostHuffmanBits);
    sum += weight ? 1u << (weight - 1) : 0;
  }
  check(sum > 0);
  most_bits_ = std::bit_width(sum);
  check(most_bits_ <= kMostHuffmanBits);
  // The last symbol's weight is what is missing to a power of two.
  uint32_t missing = (1u << most_bits_) - sum;
  check(std::has_single_bit(missing));
  weights.push_back(static_cast<uint8_t>(std::bit_width(missing)));
  entries_.resize(size_t{1} << most_bits_);
  // Codes are given to light symbols first, and among equals in order of the symbols.
  size_t at = 0;
  for (int weight = 1; weight <= most_bits_; ++weight) {
    for (size_t s = 0; s < weights.size(); ++s) {
      if (weights[s] != weight) continue;
      size_t count = size_t{1} << (weight - 1);
      check(at + count <= entries_.size() && s < 256);
      Entry entry = {static_cast<uint8_t>(s), static_cast<uint8_t>(most_bits_ + 1 - weight)};
      std::fill_n(entries_.begin() + static_cast<ptrdiff_t>(at), count, entry);
      at += count;
    }
  }
  check(at == entries_.size());
}

void HuffmanTable::decode(Bytes stream, size_t size, std::string* out) const {
  BitReader bits(stream);
  uint32_t mask = (1u << most_bits_) - 1;
  uint32_t state = static_cast<uint32_t>(bits.read(most_bits_));
  for (size_t i = 0; i < size; ++i) {
    const Entry& entry = entries_[state];
    out->push_back(static_cast<char>(entry.symbol));
    state = ((state << entry.bits) | static_cast<uint32_t>(bits.read(entry.bits))) & mask;
  }
  check(bits.left() == -most_bits_);
}

}  // namespace softgpu::driver::zstd
