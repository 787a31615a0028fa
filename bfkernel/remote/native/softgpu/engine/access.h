// SPDX-License-Identifier: BSD-3-Clause
// Where the lanes of one load, store or atomic find their bytes. Every address is checked here, and nowhere
// else.
#pragma once

#include "engine/warp.h"

namespace softgpu {

enum class Addressing : uint8_t {
  global,  // a generic address: device memory, or one of the windows
  shared32,
  shared64,
  local32,
  local64,
  param,  // 64-bit offsets into the kernel's parameters
};

struct Access {
  bool strided = false;  // lane i is at base + i * stride; otherwise at lane[i]
  uint8_t* base = nullptr;
  int64_t stride = 0;
  uint8_t* lane[kLanes];
};

// Lane by lane, for every addressing. `bytes` is a power of two and the alignment that is required.
// False after a fault has been reported.
bool locate_general(Warp& w, const Instr* ip, Addressing kind, uint32_t operand, uint32_t bytes, bool store,
                    Access* out);

// The bytes at one lane's generic address, or null if they are not all readable. Reports nothing.
const uint8_t* readable(Warp& w, const Instr* ip, uint64_t address, int lane, uint32_t bytes);

inline CachedRange& range_of(Warp& w, const Instr* ip) {
  return w.ranges[(reinterpret_cast<uintptr_t>(ip) / sizeof(Instr)) & 15];
}

}  // namespace softgpu
