// SPDX-License-Identifier: BSD-3-Clause
// Loads and stores. Whole warps that read one address, or addresses at equal distances, take the short way.

constexpr int64_t kLongestStride = 1ll << 40;

// True if a[i] == a[0] + i * stride in all lanes.
template <class A> SOFTGPU_INLINE bool regular(const A* a, A stride) {
  A difference = 0;
  for (int i = 0; i < kLanes - 1; ++i) difference |= (a[i + 1] - a[i]) ^ stride;
  return difference == 0;
}

// Any pattern of addresses, as long as all of them lie in one range: the usual case of what is not regular.
// `base` is the host address of offset 0, valid offsets are [begin, end).
template <class A>
SOFTGPU_INLINE bool gather(Warp& w, const A* a, int64_t imm, uint32_t bytes, uint64_t begin, uint64_t end, uint8_t* base, Access* out) {
  const int first = __builtin_ctz(w.active);
  const auto shift = static_cast<A>(imm);
  const A stand_in = static_cast<A>(a[first] + shift);  // for inactive lanes
  int64_t low = INT64_MAX, high = INT64_MIN;
  uint64_t all = 0;
  const uint32_t* mask = w.lanes;
  for (int i = 0; i < kLanes; ++i) {
    const A at = mask[i] != 0 ? static_cast<A>(a[i] + shift) : stand_in;
    const auto x = static_cast<int64_t>(uint64_t{at});
    low = x < low ? x : low;
    high = x > high ? x : high;
    all |= static_cast<uint64_t>(x);
    out->lane[i] = base + x;
  }
  out->strided = false;
  return low >= static_cast<int64_t>(begin) && high < static_cast<int64_t>(end) && end - static_cast<uint64_t>(high) >= bytes &&
         (all & (bytes - 1)) == 0;
}

// The way for lanes that are not regular; falls back to checking them one by one.
template <Addressing Kind>
SOFTGPU_INLINE bool locate_scattered(Warp& w, const Instr* ip, uint32_t operand, uint32_t bytes, bool store, Access* out) {
  if constexpr (Kind == Addressing::global) {
    const CachedRange& range = w.ranges[(reinterpret_cast<uintptr_t>(ip) / sizeof(Instr)) & 15];
    if (range.begin < range.end && gather(w, row<uint64_t>(w, operand), ip->imm, bytes, range.begin, range.end, nullptr, out)) return true;
  } else if constexpr (Kind == Addressing::shared32) {
    if (gather(w, row<uint32_t>(w, operand), ip->imm, bytes, 0, w.shared_size, w.shared, out)) return true;
  } else if constexpr (Kind == Addressing::shared64) {
    if (gather(w, row<uint64_t>(w, operand), ip->imm, bytes, 0, w.shared_size, w.shared, out)) return true;
  }
  return locate_general(w, ip, Kind, operand, bytes, store, out);
}

template <Addressing Kind>
SOFTGPU_INLINE bool locate(Warp& w, const Instr* ip, uint32_t operand, uint32_t bytes, bool store, Access* out) {
  if (!w.full) return locate_scattered<Kind>(w, ip, operand, bytes, store, out);
  if constexpr (Kind == Addressing::global) {
    const uint64_t* a = row<uint64_t>(w, operand);
    const uint64_t base = a[0] + static_cast<uint64_t>(ip->imm);
    const int64_t stride = static_cast<int64_t>(a[1] - a[0]);
    const uint64_t last = base + static_cast<uint64_t>(31 * stride);
    const uint64_t low = stride < 0 ? last : base;
    const uint64_t high = (stride < 0 ? base : last) + bytes;
    const CachedRange& range = w.ranges[(reinterpret_cast<uintptr_t>(ip) / sizeof(Instr)) & 15];
    if (low >= range.begin && high <= range.end && low < high && stride < kLongestStride && stride > -kLongestStride &&
        ((base | static_cast<uint64_t>(stride)) & (bytes - 1)) == 0 && regular<uint64_t>(a, static_cast<uint64_t>(stride))) {
      out->strided = true;
      out->base = reinterpret_cast<uint8_t*>(base);
      out->stride = stride;
      return true;
    }
  } else if constexpr (Kind == Addressing::shared32 || Kind == Addressing::shared64) {
    using A = std::conditional_t<Kind == Addressing::shared32, uint32_t, uint64_t>;
    const A* a = row<A>(w, operand);
    const A base = a[0] + static_cast<A>(ip->imm);
    const auto stride = static_cast<int64_t>(static_cast<std::make_signed_t<A>>(a[1] - a[0]));
    if (base < w.shared_size && stride > -kLongestStride && stride < kLongestStride) {
      const int64_t last = static_cast<int64_t>(base) + 31 * stride;
      const int64_t high = (stride < 0 ? static_cast<int64_t>(base) : last) + bytes;
      if (last >= 0 && high <= static_cast<int64_t>(w.shared_size) &&
          ((base | static_cast<uint64_t>(stride)) & (bytes - 1)) == 0 && regular<A>(a, a[1] - a[0])) {
        out->strided = true;
        out->base = w.shared + base;
        out->stride = stride;
        return true;
      }
    }
  } else if constexpr (Kind == Addressing::local32 || Kind == Addressing::local64) {
    using A = std::conditional_t<Kind == Addressing::local32, uint32_t, uint64_t>;
    const A* a = row<A>(w, operand);
    const A base = a[0] + static_cast<A>(ip->imm);
    if (base < w.local_stride && w.local_stride - base >= bytes && (base & (bytes - 1)) == 0 && regular<A>(a, 0)) {
      out->strided = true;
      out->base = w.local + base;
      out->stride = static_cast<int64_t>(w.local_stride);
      return true;
    }
  }
  return locate_scattered<Kind>(w, ip, operand, bytes, store, out);
}

template <class M> SOFTGPU_INLINE M fetch(const uint8_t* p) { return *reinterpret_cast<const M*>(p); }

// aux: elements a lane. Operands 0-3: registers, 4: address.
template <Addressing Kind, class M, class R>
const Instr* load(Warp& w, const Instr* ip) {
  const uint32_t count = ip->aux;
  Access x;
  if (!locate<Kind>(w, ip, ip->o[4], static_cast<uint32_t>(sizeof(M)) * count, false, &x)) return nullptr;
  for (uint32_t k = 0; k < count; ++k) {
    R* d = destination<R>(w, ip->o[k]);
    if (!x.strided) {
      const auto one = [&](int i) { d[i] = static_cast<R>(fetch<M>(x.lane[i] + k * sizeof(M))); };
      if (w.full) for (int i = 0; i < kLanes; ++i) one(i);
      else each_lane(w.active, one);
      continue;
    }
    const uint8_t* base = x.base + k * sizeof(M);
    if (x.stride == 0) {
      const R value = static_cast<R>(fetch<M>(base));
      SOFTGPU_LANES d[i] = value;
    } else if (x.stride == sizeof(M)) {
      const M* p = reinterpret_cast<const M*>(base);
      SOFTGPU_LANES d[i] = static_cast<R>(p[i]);
    } else {
      const int64_t stride = x.stride;
      for (int i = 0; i < kLanes; ++i) d[i] = static_cast<R>(fetch<M>(base + i * stride));
    }
  }
  return ip + 1;
}

template <Addressing Kind, class M, class R>
const Instr* store(Warp& w, const Instr* ip) {
  const uint32_t count = ip->aux;
  Access x;
  if (!locate<Kind>(w, ip, ip->o[4], static_cast<uint32_t>(sizeof(M)) * count, true, &x)) return nullptr;
  for (uint32_t k = 0; k < count; ++k) {
    const R* s = row<R>(w, ip->o[k]);
    if (!x.strided) {
      each_lane(w.active, [&](int i) { *reinterpret_cast<M*>(x.lane[i] + k * sizeof(M)) = static_cast<M>(s[i]); });
      continue;
    }
    uint8_t* base = x.base + k * sizeof(M);
    if (x.stride == sizeof(M)) {
      M* p = reinterpret_cast<M*>(base);
      SOFTGPU_LANES p[i] = static_cast<M>(s[i]);
    } else {
      const int64_t stride = x.stride;
      for (int i = 0; i < kLanes; ++i) *reinterpret_cast<M*>(base + i * stride) = static_cast<M>(s[i]);
    }
  }
  return ip + 1;
}

// A kernel parameter at a fixed offset: one value for all lanes.
template <class M, class R>
const Instr* load_param(Warp& w, const Instr* ip) {
  for (uint32_t k = 0; k < ip->aux; ++k) {
    R* d = destination<R>(w, ip->o[k]);
    M value;
    __builtin_memcpy(&value, w.params + ip->imm + k * sizeof(M), sizeof(M));
    const R wide = static_cast<R>(value);
    apply(w, d, [=](int) { return wide; });
  }
  return ip + 1;
}

// "ld.SPACE.MEMORY.REGISTER": memory as a type, the register as bits.
template <class M, class R> void register_access(Registry& r, const std::string& suffix) {
  const auto add = [&]<Addressing Kind>(const char* space) {
    r.add(std::string("ld.") + space + suffix, "", load<Kind, M, R>);
    if constexpr (std::is_unsigned_v<M>) r.add(std::string("st.") + space + suffix, "", store<Kind, M, R>);
  };
  add.template operator()<Addressing::global>("global");
  add.template operator()<Addressing::shared32>("shared32");
  add.template operator()<Addressing::shared64>("shared64");
  add.template operator()<Addressing::local32>("local32");
  add.template operator()<Addressing::local64>("local64");
  add.template operator()<Addressing::param>("param64");
  r.add("ld.param" + suffix, "", load_param<M, R>);
}

void register_memory(Registry& r) {
  register_access<uint8_t, uint16_t>(r, ".u8.16");
  register_access<uint8_t, uint32_t>(r, ".u8.32");
  register_access<uint8_t, uint64_t>(r, ".u8.64");
  register_access<int8_t, int16_t>(r, ".s8.16");
  register_access<int8_t, int32_t>(r, ".s8.32");
  register_access<int8_t, int64_t>(r, ".s8.64");
  register_access<uint16_t, uint16_t>(r, ".u16.16");
  register_access<uint16_t, uint32_t>(r, ".u16.32");
  register_access<uint16_t, uint64_t>(r, ".u16.64");
  register_access<int16_t, int16_t>(r, ".s16.16");
  register_access<int16_t, int32_t>(r, ".s16.32");
  register_access<int16_t, int64_t>(r, ".s16.64");
  register_access<uint32_t, uint32_t>(r, ".u32.32");
  register_access<uint32_t, uint64_t>(r, ".u32.64");
  register_access<int32_t, int32_t>(r, ".s32.32");
  register_access<int32_t, int64_t>(r, ".s32.64");
  register_access<uint64_t, uint64_t>(r, ".u64.64");
}
