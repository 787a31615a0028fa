// SPDX-License-Identifier: BSD-3-Clause
#include <cstdio>

#include "engine/access.h"
#include "engine/block.h"

namespace softgpu {
namespace {

std::string hex(uint64_t x) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(x));
  return text;
}

bool inside(uint64_t offset, uint32_t bytes, uint64_t size) {
  return offset <= size && size - offset >= bytes;
}

// One lane's generic address, or null.
uint8_t* generic(Warp& w, const Instr* ip, uint64_t address, int lane, uint32_t bytes, bool store) {
  CachedRange& range = range_of(w, ip);
  if (address >= range.begin && address < range.end && range.end - address >= bytes)
    return reinterpret_cast<uint8_t*>(address);
  if (address >= kParamWindow && address < kLocalWindow + kWindowSize) {
    const uint64_t offset = address & (kWindowSize - 1);
    switch (address - offset) {
      case kSharedWindow:
        return inside(offset, bytes, w.shared_size) ? w.shared + offset : nullptr;
      case kLocalWindow:
        return inside(offset, bytes, w.local_stride)
                   ? w.local + static_cast<uint64_t>(lane) * w.local_stride + offset
                   : nullptr;
      case kParamWindow:
        return !store && inside(offset, bytes, w.params_size) ? const_cast<uint8_t*>(w.params) + offset
                                                              : nullptr;
      default:
        return nullptr;
    }
  }
  const auto workspace = reinterpret_cast<uint64_t>(w.block->launch->workspace);
  if (address >= workspace && inside(address - workspace, bytes, sizeof w.block->launch->workspace))
    return reinterpret_cast<uint8_t*>(address);
  uint64_t begin = 0, end = 0;
  if (!w.block->launch->memory->find(address, bytes, &begin, &end)) return nullptr;
  range = {begin, end};
  return reinterpret_cast<uint8_t*>(address);
}

}  // namespace

const uint8_t* readable(Warp& w, const Instr* ip, uint64_t address, int lane, uint32_t bytes) {
  return generic(w, ip, address, lane, bytes, false);
}

bool locate_general(Warp& w, const Instr* ip, Addressing kind, uint32_t operand, uint32_t bytes, bool store,
                    Access* out) {
  out->strided = false;
  const bool narrow = kind == Addressing::shared32 || kind == Addressing::local32;
  const auto* a32 = row<uint32_t>(w, operand);
  const auto* a64 = row<uint64_t>(w, operand);
  for (uint32_t m = w.active; m != 0; m &= m - 1) {
    const int i = std::countr_zero(m);
    uint64_t address =
        narrow ? uint64_t{a32[i] + static_cast<uint32_t>(ip->imm)} : a64[i] + static_cast<uint64_t>(ip->imm);
    uint8_t* p = nullptr;
    switch (kind) {
      case Addressing::global:
        p = generic(w, ip, address, i, bytes, store);
        break;
      case Addressing::shared32:
      case Addressing::shared64:
        // A program may hand the generic form of a shared address to ld.shared; hardware masks it as well.
        if (address >= kSharedWindow) address &= kWindowSize - 1;
        if (inside(address, bytes, w.shared_size)) p = w.shared + address;
        break;
      case Addressing::local32:
      case Addressing::local64:
        if (address >= kLocalWindow) address &= kWindowSize - 1;
        if (inside(address, bytes, w.local_stride))
          p = w.local + static_cast<uint64_t>(i) * w.local_stride + address;
        break;
      case Addressing::param:
        if (address >= kParamWindow) address &= kWindowSize - 1;
        if (inside(address, bytes, w.params_size)) p = const_cast<uint8_t*>(w.params) + address;
        break;
    }
    if (address & (bytes - 1)) {
      w.fault(Fault::misaligned_address, ip, static_cast<uint32_t>(i), "misaligned address " + hex(address));
      return false;
    }
    if (p == nullptr) {
      w.fault(Fault::illegal_address, ip, static_cast<uint32_t>(i), "illegal address " + hex(address));
      return false;
    }
    out->lane[i] = p;
  }
  return true;
}

}  // namespace softgpu
