// SPDX-License-Identifier: BSD-3-Clause
// Fat binaries: a header, then entries, each with code for one kind of GPU. Measured on what nvcc makes.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "wire/codec.h"

namespace wire::fatbin {

inline constexpr uint32_t kContainerMagic = 0xBA55ED50;

struct Container {
  uint32_t magic;
  uint16_t version;
  uint16_t header_size;
  uint64_t entries_size;  // bytes after the header
};
static_assert(sizeof(Container) == 16);

enum Kind : uint16_t { kPtx = 1, kCubin = 2, kLto = 8 };
inline constexpr uint64_t kCompressed = 0x2000 | 0x8000;  // LZ4, Zstd
inline constexpr uint64_t kOneGpu = 0x100000;             // sm_90a: for this compute capability alone
inline constexpr uint64_t kFamily = 0x200000;  // sm_100f: for this one and later ones of its major number

struct Entry {
  uint16_t kind;
  uint16_t reserved0;
  uint32_t header_size;
  uint64_t payload_size;
  uint32_t compressed_size;
  uint32_t options_offset;
  uint32_t code_version;
  uint32_t sm;  // 90 for sm_90
  uint32_t source_offset;
  uint32_t source_size;
  uint64_t flags;
  uint64_t reserved1;
  uint64_t uncompressed_size;
};
static_assert(sizeof(Entry) == 64);

struct EntryView {
  Entry entry;
  Bytes whole;  // header and payload
  Bytes payload;
};

// The container that the bytes begin with. Throws Malformed where there is none or where it is cut short.
inline Bytes container(Bytes bytes) {
  Container header;
  if (bytes.size() < sizeof header) throw Malformed("a fat binary is cut short");
  std::memcpy(&header, bytes.data(), sizeof header);
  const bool whole = header.magic == kContainerMagic && header.header_size >= sizeof header &&
                     header.header_size <= bytes.size() &&
                     header.entries_size <= bytes.size() - header.header_size;
  if (!whole) throw Malformed("a fat binary is damaged");
  return bytes.first(header.header_size + header.entries_size);
}

// Throws Malformed where the container is none, or an entry reaches past its end.
inline std::vector<EntryView> entries(Bytes bytes) {
  bytes = container(bytes);
  Container header;
  std::memcpy(&header, bytes.data(), sizeof header);
  Bytes rest = bytes.subspan(header.header_size);
  std::vector<EntryView> out;
  while (!rest.empty()) {
    Entry entry;
    if (rest.size() < sizeof entry) throw Malformed("a fat binary ends inside an entry");
    std::memcpy(&entry, rest.data(), sizeof entry);
    const bool inside = entry.header_size >= sizeof entry && entry.header_size <= rest.size() &&
                        entry.payload_size <= rest.size() - entry.header_size;
    if (!inside) throw Malformed("an entry of a fat binary reaches past its end");
    out.push_back({entry, rest.first(entry.header_size + entry.payload_size),
                   rest.subspan(entry.header_size, entry.payload_size)});
    rest = rest.subspan(entry.header_size + entry.payload_size);
  }
  return out;
}

}  // namespace wire::fatbin
