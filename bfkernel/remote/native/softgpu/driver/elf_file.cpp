// SPDX-License-Identifier: BSD-3-Clause
#include "elf_file.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace softgpu::driver {
namespace {

using Bytes = std::span<const std::byte>;

// The range [offset, offset + size) of the bytes; nothing where it leaves them.
std::optional<Bytes> piece(Bytes bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, size);
}

template <typename Record>
std::optional<Record> record(Bytes bytes, uint64_t offset) {
  std::optional<Bytes> found = piece(bytes, offset, sizeof(Record));
  if (!found) return std::nullopt;
  Record result;
  std::memcpy(&result, found->data(), sizeof result);
  return result;
}

// The text that begins there; empty where it does not end inside the table.
std::string_view text_at(Bytes table, uint64_t offset) {
  if (offset >= table.size()) return {};
  const auto* begin = reinterpret_cast<const char*>(table.data()) + offset;
  const void* end = std::memchr(begin, 0, table.size() - offset);
  return end ? std::string_view(begin, static_cast<const char*>(end) - begin) : std::string_view();
}

}  // namespace

size_t ElfFile::measure(const void* image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  uint64_t end =
      std::max<uint64_t>(sizeof header, header.e_phoff + uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  end = std::max<uint64_t>(end, header.e_shoff + uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, static_cast<const std::byte*>(image) + header.e_shoff + i * sizeof section,
                sizeof section);
    if (section.sh_type != SHT_NOBITS) end = std::max<uint64_t>(end, section.sh_offset + section.sh_size);
  }
  return end;
}

std::optional<ElfFile> ElfFile::open(Bytes bytes) {
  std::optional<Elf64_Ehdr> header = record<Elf64_Ehdr>(bytes, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) return std::nullopt;
  ElfFile file;
  file.header_ = *header;
  if (!file.read_sections(bytes) || !file.read_symbols()) return std::nullopt;
  return file;
}

bool ElfFile::read_sections(Bytes bytes) {
  if (header_.e_shoff == 0) return true;
  std::optional<Elf64_Shdr> first = record<Elf64_Shdr>(bytes, header_.e_shoff);
  if (!first || header_.e_shentsize != sizeof(Elf64_Shdr)) return false;
  // What does not fit the header's 16 bits stands in the first section.
  const uint64_t count = header_.e_shnum ? header_.e_shnum : first->sh_size;
  const uint64_t names = header_.e_shstrndx == SHN_XINDEX ? first->sh_link : header_.e_shstrndx;
  if (count > bytes.size() / sizeof(Elf64_Shdr) || names >= count) return false;
  if (!piece(bytes, header_.e_shoff, count * sizeof(Elf64_Shdr))) return false;
  for (uint64_t i = 0; i < count; ++i) {
    Section section;
    section.header = *record<Elf64_Shdr>(bytes, header_.e_shoff + i * sizeof(Elf64_Shdr));
    if (section.header.sh_type != SHT_NOBITS && section.header.sh_type != SHT_NULL) {
      std::optional<Bytes> found = piece(bytes, section.header.sh_offset, section.header.sh_size);
      if (!found) return false;
      section.bytes = *found;
    }
    sections_.push_back(section);
  }
  for (size_t i = 0; i < sections_.size(); ++i) {
    sections_[i].name = text_at(sections_[names].bytes, sections_[i].header.sh_name);
    by_name_.emplace(sections_[i].name, i);
  }
  return true;
}

bool ElfFile::read_symbols() {
  for (const Section& table : sections_) {
    if (table.header.sh_type != SHT_SYMTAB) continue;
    if (table.header.sh_link >= sections_.size()) return false;
    const Bytes names = sections_[table.header.sh_link].bytes;
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.bytes.size(); at += sizeof(Elf64_Sym)) {
      const Elf64_Sym entry = *record<Elf64_Sym>(table.bytes, at);
      symbols_.push_back({entry, text_at(names, entry.st_name)});
    }
    return true;
  }
  return true;
}

const ElfFile::Section* ElfFile::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &sections_[found->second];
}

}  // namespace softgpu::driver
