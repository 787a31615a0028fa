// SPDX-License-Identifier: BSD-3-Clause
#include "worker/cubin_params.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "wire/code_messages.h"
#include "wire/fatbin.h"

namespace worker {
namespace {

constexpr std::string_view kNotes = ".nv.info.";  // and the kernel's name
constexpr std::uint8_t kLongFormat = 4;           // the record carries its value's size, then the value
constexpr std::uint8_t kParameter = 0x17;
constexpr std::size_t kParameterBytes = 12;
constexpr std::uint16_t kMostParameters = 4096;

template <class T>
std::optional<T> read(wire::Bytes bytes, std::uint64_t at) {
  if (at > bytes.size() || sizeof(T) > bytes.size() - at) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::optional<wire::Bytes> range(wire::Bytes bytes, std::uint64_t at, std::uint64_t size) {
  if (at > bytes.size() || size > bytes.size() - at) return std::nullopt;
  return bytes.subspan(at, size);
}

std::string_view name_in(wire::Bytes strings, std::uint64_t at) {
  if (at >= strings.size()) return {};
  const auto* begin = reinterpret_cast<const char*>(strings.data()) + at;
  return {begin, strnlen(begin, strings.size() - at)};
}

// Records: format, attribute, a 16-bit value or size, and with a size that many bytes.
std::optional<std::vector<wire::KernelParam>> parameters(wire::Bytes notes) {
  std::vector<wire::KernelParam> params;
  std::vector<bool> known;
  while (notes.size() >= 4) {
    const auto format = static_cast<std::uint8_t>(notes[0]);
    const auto attribute = static_cast<std::uint8_t>(notes[1]);
    const auto value = *read<std::uint16_t>(notes, 2);
    const auto data = range(notes, 4, format == kLongFormat ? value : 0);
    if (!data) return std::nullopt;
    notes = notes.subspan(4 + data->size());
    if (attribute != kParameter || data->size() < kParameterBytes) continue;
    const auto ordinal = *read<std::uint16_t>(*data, 4);
    if (ordinal >= kMostParameters) return std::nullopt;
    if (params.size() <= ordinal) params.resize(ordinal + 1), known.resize(ordinal + 1);
    params[ordinal] = {*read<std::uint16_t>(*data, 6), *read<std::uint32_t>(*data, 8) >> 18};
    known[ordinal] = true;
  }
  if (std::find(known.begin(), known.end(), false) != known.end()) return std::nullopt;
  return params;
}

}  // namespace

ParamLayouts cubin_params(wire::Bytes cubin) {
  ParamLayouts out;
  const auto header = read<Elf64_Ehdr>(cubin, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_shentsize != sizeof(Elf64_Shdr))
    return out;
  const auto section = [&](unsigned index) {
    return read<Elf64_Shdr>(cubin, header->e_shoff + std::uint64_t{index} * sizeof(Elf64_Shdr));
  };
  const auto names = section(header->e_shstrndx);
  const auto strings = names ? range(cubin, names->sh_offset, names->sh_size) : std::nullopt;
  if (!strings) return out;
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    const auto each = section(i);
    if (!each) break;
    const std::string_view name = name_in(*strings, each->sh_name);
    if (!name.starts_with(kNotes)) continue;
    const auto notes = range(cubin, each->sh_offset, each->sh_size);
    if (!notes) continue;
    if (auto params = parameters(*notes)) out.emplace(name.substr(kNotes.size()), std::move(*params));
  }
  return out;
}

ParamLayouts fatbin_params(wire::Bytes container) {
  ParamLayouts out;
  for (const wire::fatbin::EntryView& each : wire::fatbin::entries(container)) {
    if (each.entry.flags & wire::fatbin::kCompressed) continue;
    if (each.entry.kind == wire::fatbin::kCubin) out.merge(cubin_params(each.payload));
    if (each.entry.kind != wire::fatbin::kPtx) continue;
    const auto* text = reinterpret_cast<const char*>(each.payload.data());
    out.merge(ptx_params({text, strnlen(text, each.payload.size())}));
  }
  return out;
}

}  // namespace worker
