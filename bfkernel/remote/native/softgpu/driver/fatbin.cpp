// SPDX-License-Identifier: BSD-3-Clause
#include "fatbin.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "api.h"
#include "lz4.h"
#include "zstd.h"

namespace softgpu::driver {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243b1;
constexpr uint32_t kContainerMagic = 0xba55ed50;
constexpr uint32_t kOldContainerMagic = 0x1ee55a01;
constexpr uint32_t kPrelinkedWrapper = 2;
constexpr uint16_t kKindPtx = 1;
constexpr uint16_t kKindCubin = 2;
constexpr uint64_t kFlagLz4 = 0x2000;
constexpr uint64_t kFlagZstd = 0x8000;

struct Wrapper {
  uint32_t magic;
  uint32_t version;
  const void* container;
  const void* const* containers;  // of a prelinked wrapper: more of them, then null
};

struct Container {
  uint32_t magic;
  uint16_t version;
  uint16_t header_size;
  uint64_t entries_size;
};

struct Entry {
  uint16_t kind;
  uint16_t reserved0;
  uint32_t header_size;
  uint64_t payload_size;  // as stored, padded to 8
  uint32_t compressed_size;
  uint32_t options_offset;
  uint32_t code_version;
  uint32_t sm;
  uint32_t source_offset;
  uint32_t source_size;
  uint64_t flags;
  uint64_t reserved1;
  uint64_t uncompressed_size;
};
static_assert(sizeof(Container) == 16 && sizeof(Entry) == 64);

[[noreturn]] void refuse(JitLog* log, CUresult code, std::string why) {
  log->error += why + "\n";
  fail(code);
}

uint32_t magic_of(const void* image) {
  uint32_t magic;
  std::memcpy(&magic, image, sizeof magic);
  return magic;
}

// What nvcc -rdc=true makes: the first container holds what came of linking, if anything, the others what was
// linked, for a driver that has to do it again.
struct Containers {
  const std::byte* first = nullptr;
  std::vector<const std::byte*> parts;
};

Containers containers(const void* image) {
  if (magic_of(image) != kWrapperMagic) return {static_cast<const std::byte*>(image), {}};
  Wrapper wrapper;
  std::memcpy(&wrapper, image, sizeof wrapper);
  Containers result{static_cast<const std::byte*>(wrapper.container), {}};
  if (wrapper.version != kPrelinkedWrapper || !wrapper.containers) return result;
  for (const void* const* next = wrapper.containers; *next; ++next)
    result.parts.push_back(static_cast<const std::byte*>(*next));
  return result;
}

struct Found {
  Entry entry;
  std::span<const std::byte> payload;
};

std::vector<Found> entries(const std::byte* begin, JitLog* log) {
  Container container;
  std::memcpy(&container, begin, sizeof container);
  if (container.magic != kContainerMagic && container.magic != kOldContainerMagic) {
    refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary's wrapper points to something else");
  }
  std::span<const std::byte> rest(begin + container.header_size, container.entries_size);
  std::vector<Found> result;
  while (rest.size() >= sizeof(Entry)) {
    Entry entry;
    std::memcpy(&entry, rest.data(), sizeof entry);
    if (entry.header_size < sizeof(Entry) || entry.header_size > rest.size() ||
        entry.payload_size > rest.size() - entry.header_size) {
      refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary is damaged: an entry reaches past its end");
    }
    result.push_back({entry, rest.subspan(entry.header_size, entry.payload_size)});
    rest = rest.subspan(entry.header_size + entry.payload_size);
  }
  return result;
}

std::string payload_of(const Found& found, JitLog* log) {
  const Entry& entry = found.entry;
  if (!(entry.flags & (kFlagLz4 | kFlagZstd)))
    return {reinterpret_cast<const char*>(found.payload.data()), found.payload.size()};
  auto stored = found.payload.first(std::min<size_t>(entry.compressed_size, found.payload.size()));
  auto decoded = entry.flags & kFlagLz4 ? lz4_decode(stored, entry.uncompressed_size)
                                        : zstd_decode(stored, entry.uncompressed_size);
  if (!decoded) refuse(log, CUDA_ERROR_INVALID_IMAGE, "the compressed code in this fat binary is damaged");
  return std::move(*decoded);
}

std::string text_of(const Found& found, JitLog* log) {
  std::string text = payload_of(found, log);
  text.resize(std::strlen(text.c_str()));  // payloads are padded with NULs
  return text;
}

CubinBytes cubin_of(const Found& found, JitLog* log) {
  const std::string payload = payload_of(found, log);
  const auto* begin = reinterpret_cast<const std::byte*>(payload.data());
  return {begin, begin + payload.size()};
}

std::string describe(const std::set<uint32_t>& cubins, const std::set<uint32_t>& ptx) {
  std::string text;
  for (uint32_t sm : cubins) text += " sm_" + std::to_string(sm);
  for (uint32_t sm : ptx) text += " compute_" + std::to_string(sm);
  return text.empty() ? " nothing" : text;
}

// What one container has for a device: the newest of each kind.
struct Choice {
  std::optional<Found> ptx;
  std::optional<Found> cubin;
  std::pair<std::set<uint32_t>, std::set<uint32_t>> has;  // targets of all its cubins and texts
};

void prefer_newer(std::optional<Found>* best, const Found& found) {
  if (!*best || found.entry.sm > (*best)->entry.sm) *best = found;
}

Choice choose(const std::byte* container, std::array<int, 2> compute_capability, JitLog* log) {
  const int device = compute_capability[0] * 10 + compute_capability[1];
  Choice choice;
  for (const Found& found : entries(container, log)) {
    const int sm = static_cast<int>(std::min<uint32_t>(found.entry.sm, 0xffff));
    if (found.entry.kind == kKindPtx) {
      choice.has.second.insert(found.entry.sm);
      if (sm <= device) prefer_newer(&choice.ptx, found);
    } else if (found.entry.kind == kKindCubin) {
      choice.has.first.insert(found.entry.sm);
      if (cubin_serves(sm, compute_capability)) prefer_newer(&choice.cubin, found);
    }
  }
  return choice;
}

}  // namespace

bool is_fatbin(const void* image) {
  uint32_t magic = magic_of(image);
  return magic == kWrapperMagic || magic == kContainerMagic || magic == kOldContainerMagic;
}

Code read_fatbin(const void* image, std::array<int, 2> compute_capability, JitLog* log) {
  const Containers all = containers(image);
  Code code;
  // Parts without PTX are libraries that come along whether or not they are used.
  for (const std::byte* part : all.parts) {
    const Choice choice = choose(part, compute_capability, log);
    if (choice.ptx) code.ptx.push_back(text_of(*choice.ptx, log));
  }
  if (!code.ptx.empty()) return code;
  if (!all.first) refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary is empty");
  const Choice choice = choose(all.first, compute_capability, log);
  if (choice.ptx)
    code.ptx.push_back(text_of(*choice.ptx, log));
  else if (choice.cubin)
    code.cubins.push_back(cubin_of(*choice.cubin, log));
  else
    refuse(log, CUDA_ERROR_NO_BINARY_FOR_GPU,
           "the device is sm_" + std::to_string(compute_capability[0] * 10 + compute_capability[1]) +
               "; this fat binary holds" + describe(choice.has.first, choice.has.second));
  return code;
}

}  // namespace softgpu::driver
