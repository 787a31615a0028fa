// SPDX-License-Identifier: BSD-3-Clause
#include "wire/blake2.h"

#include <bit>

namespace wire {
namespace {

constexpr size_t kBlock = 128;
constexpr size_t kRounds = 12;
using Words = std::array<uint64_t, 16>;
using State = std::array<uint64_t, 8>;

constexpr State kInitial = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
                            0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};
constexpr size_t kOrders = 10;
// Which words of the block a round takes, in turn; the last two rounds are as the first two.
constexpr uint8_t kOrder[kOrders][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

inline void mix(uint64_t& a, uint64_t& b, uint64_t& c, uint64_t& d, uint64_t x, uint64_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 32);
  c += d;
  b = std::rotr(b ^ c, 24);
  a += b + y;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 63);
}

// `counted` is how many bytes there are up to the end of this block.
void compress(State& state, const std::byte* block, uint64_t counted, bool last) {
  Words m;
  std::memcpy(m.data(), block, sizeof m);
  Words v;
  for (size_t i = 0; i < 8; ++i) {
    v[i] = state[i];
    v[i + 8] = kInitial[i];
  }
  v[12] ^= counted;
  if (last) v[14] = ~v[14];
#pragma GCC unroll 12
  for (size_t round = 0; round < kRounds; ++round) {
    const uint8_t* s = kOrder[round % kOrders];
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
  for (size_t i = 0; i < 8; ++i) state[i] ^= v[i] ^ v[i + 8];
}

}  // namespace

Digest blake2(Bytes data) {
  constexpr uint64_t kParameters = 0x01010000 | sizeof(Digest);  // no key, no tree
  State state = kInitial;
  state[0] ^= kParameters;
  size_t at = 0;
  // The last block is never compressed here, full or not: it is marked as the last.
  for (; data.size() - at > kBlock; at += kBlock) compress(state, data.data() + at, at + kBlock, false);
  std::array<std::byte, kBlock> last{};
  if (at < data.size()) std::memcpy(last.data(), data.data() + at, data.size() - at);
  compress(state, last.data(), data.size(), true);
  Digest out;
  std::memcpy(out.data(), state.data(), out.size());
  return out;
}

std::string hex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::byte byte : digest) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4];
    out += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return out;
}

}  // namespace wire
