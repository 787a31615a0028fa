// SPDX-License-Identifier: BSD-3-Clause
#include "zstd.h"

#include <algorithm>
#include <array>
#include <utility>

#include "zstd_entropy.h"

namespace softgpu::driver {
namespace zstd {
namespace {

constexpr uint32_t kMagic = 0xfd2fb528;
constexpr size_t kMostBlock = 128 << 10;

// What a code of a length stands for: a base, and how many more bits to add to it.
struct Length {
  uint32_t base;
  int bits;
};

constexpr Length kLiteralLengths[] = {
    {0, 0},     {1, 0},      {2, 0},      {3, 0},     {4, 0},   {5, 0},     {6, 0},     {7, 0},
    {8, 0},     {9, 0},      {10, 0},     {11, 0},    {12, 0},  {13, 0},    {14, 0},    {15, 0},
    {16, 1},    {18, 1},     {20, 1},     {22, 1},    {24, 2},  {28, 2},    {32, 3},    {40, 3},
    {48, 4},    {64, 6},     {128, 7},    {256, 8},   {512, 9}, {1024, 10}, {2048, 11}, {4096, 12},
    {8192, 13}, {16384, 14}, {32768, 15}, {65536, 16}};

constexpr Length kMatchLengths[] = {
    {3, 0},   {4, 0},     {5, 0},     {6, 0},     {7, 0},     {8, 0},      {9, 0},      {10, 0},    {11, 0},
    {12, 0},  {13, 0},    {14, 0},    {15, 0},    {16, 0},    {17, 0},     {18, 0},     {19, 0},    {20, 0},
    {21, 0},  {22, 0},    {23, 0},    {24, 0},    {25, 0},    {26, 0},     {27, 0},     {28, 0},    {29, 0},
    {30, 0},  {31, 0},    {32, 0},    {33, 0},    {34, 0},    {35, 1},     {37, 1},     {39, 1},    {41, 1},
    {43, 2},  {47, 2},    {51, 3},    {59, 3},    {67, 4},    {83, 4},     {99, 5},     {131, 7},   {259, 8},
    {515, 9}, {1027, 10}, {2051, 11}, {4099, 12}, {8195, 13}, {16387, 14}, {32771, 15}, {65539, 16}};

constexpr int16_t kDefaultLiteral[] = {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
                                       2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
constexpr int16_t kDefaultMatch[] = {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                                     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                                     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1};
constexpr int16_t kDefaultOffset[] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1,  1,  1,  1,  1, 1,
                                      1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};

// One of the three kinds of codes in sequences: what it starts from and how large it may get.
struct CodeKind {
  std::span<const int16_t> defaults;
  int default_log;
  int most_log;
  size_t symbols;
};
const CodeKind kLiteralKind = {kDefaultLiteral, 6, 9, std::size(kLiteralLengths)};
const CodeKind kMatchKind = {kDefaultMatch, 6, 9, std::size(kMatchLengths)};
const CodeKind kOffsetKind = {kDefaultOffset, 5, 8, 32};

class Decoder {
 public:
  Decoder(Bytes frame, size_t size) : in_(frame), size_(size) { out_.reserve(size); }

  std::string decode() {
    read_header();
    bool last = false;
    while (!last) {
      uint32_t header = static_cast<uint32_t>(in_.number(3));
      last = header & 1;
      block(header >> 1 & 3, header >> 3);
      check(out_.size() <= size_);
    }
    check(out_.size() == size_);
    return std::move(out_);
  }

 private:
  void read_header() {
    check(in_.number(4) == kMagic);
    unsigned descriptor = static_cast<unsigned>(in_.number(1));
    bool single = descriptor >> 5 & 1;
    constexpr size_t id_sizes[] = {0, 1, 2, 4};
    constexpr size_t size_sizes[] = {0, 2, 4, 8};
    unsigned size_flag = descriptor >> 6;
    if (!single) in_.take(1);  // the window: all output is kept anyway
    check(in_.number(id_sizes[descriptor & 3]) == 0);
    in_.take(size_flag == 0 && single ? 1 : size_sizes[size_flag]);
  }

  void block(uint32_t type, size_t size) {
    switch (type) {
      case 0: {
        Bytes raw = in_.take(size);
        out_.append(reinterpret_cast<const char*>(raw.data()), raw.size());
        return;
      }
      case 1:
        check(size <= kMostBlock);
        out_.append(size, static_cast<char>(in_.number(1)));
        return;
      case 2:
        return compressed(in_.take(size));
      default:
        throw Damaged{};
    }
  }

  void compressed(Bytes bytes) {
    ByteReader in(bytes);
    std::string literals = read_literals(&in);
    size_t count = in.number(1);
    if (count == 255) {
      count = in.number(2) + 0x7f00;
    } else if (count > 127) {
      count = ((count - 128) << 8) + in.number(1);
    }
    if (count == 0) {
      out_ += literals;
      return;
    }
    unsigned modes = static_cast<unsigned>(in.number(1));
    read_table(&in, modes >> 6 & 3, kLiteralKind, &literal_table_);
    read_table(&in, modes >> 4 & 3, kOffsetKind, &offset_table_);
    read_table(&in, modes >> 2 & 3, kMatchKind, &match_table_);
    run_sequences(in.rest(), count, literals);
  }

  static void read_table(ByteReader* in, unsigned mode, const CodeKind& kind, FseTable* table) {
    switch (mode) {
      case 0:
        *table = FseTable(kind.defaults, kind.default_log);
        break;
      case 1: {
        uint8_t symbol = static_cast<uint8_t>(in->number(1));
        check(symbol < kind.symbols);
        *table = FseTable(symbol);
        break;
      }
      case 2:
        *table = FseTable::read(in, kind.most_log, kind.symbols);
        break;
      default:
        check(!table->empty());  // the last block's
    }
  }

  std::string read_literals(ByteReader* in) {
    unsigned first = in->rest().empty() ? 0 : in->rest()[0];
    unsigned type = first & 3, format = first >> 2 & 3;
    if (type >= 2) return read_huffman(in, type == 2, format);
    size_t size = format == 1 ? in->number(2) >> 4 : format == 3 ? in->number(3) >> 4 : in->number(1) >> 3;
    check(size <= kMostBlock);
    if (type == 1) return std::string(size, static_cast<char>(in->number(1)));
    Bytes raw = in->take(size);
    return std::string(reinterpret_cast<const char*>(raw.data()), raw.size());
  }

  std::string read_huffman(ByteReader* in, bool has_tree, unsigned format) {
    int width = format < 2 ? 10 : format == 2 ? 14 : 18;
    uint64_t header = in->number(format < 2 ? 3 : format + 2) >> 4;
    size_t size = header & ((1u << width) - 1);
    size_t stored = header >> width;
    check(size <= kMostBlock);
    ByteReader body(in->take(stored));
    if (has_tree) huffman_ = HuffmanTable::read(&body);
    check(!huffman_.empty());
    std::string literals;
    literals.reserve(size);
    if (format == 0) {
      huffman_.decode(body.rest(), size, &literals);
      return literals;
    }
    size_t sizes[3];
    for (size_t& each : sizes) each = body.number(2);
    size_t quarter = (size + 3) / 4;
    check(quarter * 3 <= size);
    for (size_t each : sizes) huffman_.decode(body.take(each), quarter, &literals);
    huffman_.decode(body.rest(), size - quarter * 3, &literals);
    return literals;
  }

  void run_sequences(Bytes stream, size_t count, const std::string& literals) {
    BitReader bits(stream);
    uint32_t literal_state = literal_table_.start(&bits);
    uint32_t offset_state = offset_table_.start(&bits);
    uint32_t match_state = match_table_.start(&bits);
    size_t used = 0;
    for (size_t i = 0; i < count; ++i) {
      int offset_code = offset_table_.symbol(offset_state);
      uint64_t offset_value = (uint64_t{1} << offset_code) + bits.read(offset_code);
      const Length& match = kMatchLengths[match_table_.symbol(match_state)];
      size_t match_length = match.base + bits.read(match.bits);
      const Length& literal = kLiteralLengths[literal_table_.symbol(literal_state)];
      size_t literal_length = literal.base + bits.read(literal.bits);
      check(literal_length <= literals.size() - used);
      out_.append(literals, used, literal_length);
      used += literal_length;
      copy_match(resolve_offset(offset_value, literal_length == 0), match_length);
      if (i + 1 == count) break;
      literal_state = literal_table_.next(literal_state, &bits);
      match_state = match_table_.next(match_state, &bits);
      offset_state = offset_table_.next(offset_state, &bits);
    }
    check(bits.left() == 0);
    out_.append(literals, used);
  }

  // The three smallest values mean offsets used before; after no literals they mean others, as the most
  // recent offset would only have made the last match longer.
  uint64_t resolve_offset(uint64_t value, bool no_literals) {
    uint64_t offset;
    size_t position;  // from which the chosen offset moves to the front
    if (value > 3) {
      offset = value - 3;
      position = 2;
    } else {
      size_t choice = value - 1 + no_literals;
      offset = choice < 3 ? recent_[choice] : recent_[0] - 1;
      position = choice < 3 ? choice : 2;
    }
    for (; position > 0; --position) recent_[position] = recent_[position - 1];
    recent_[0] = offset;
    return offset;
  }

  void copy_match(uint64_t offset, size_t length) {
    check(offset > 0 && offset <= out_.size() && length <= size_ - std::min(size_, out_.size()));
    for (size_t from = out_.size() - offset; length > 0; --length) out_.push_back(out_[from++]);
  }

  ByteReader in_;
  const size_t size_;
  std::string out_;
  HuffmanTable huffman_;
  FseTable literal_table_, offset_table_, match_table_;
  std::array<uint64_t, 3> recent_ = {1, 4, 8};
};

}  // namespace
}  // namespace zstd

std::optional<std::string> zstd_decode(std::span<const std::byte> frame, size_t size) {
  try {
    zstd::Bytes bytes(reinterpret_cast<const uint8_t*>(frame.data()), frame.size());
    return zstd::Decoder(bytes, size).decode();
  } catch (const zstd::Damaged&) {
    return std::nullopt;
  }
}

}  // namespace softgpu::driver
