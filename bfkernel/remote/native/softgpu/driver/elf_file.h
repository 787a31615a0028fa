// SPDX-License-Identifier: BSD-3-Clause
// An ELF file that somebody else made: sections by name, symbols, and no look past its end.
#pragma once

#include <elf.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace softgpu::driver {

class ElfFile {
 public:
  struct Section {
    Elf64_Shdr header;
    std::string_view name;
    std::span<const std::byte> bytes;  // empty where the file holds none (SHT_NOBITS)
  };
  struct Symbol {
    Elf64_Sym entry;
    std::string_view name;
  };

  // Where the image ends, by its own headers: for an image that nobody gave a size for. The headers
  // themselves are trusted to be there.
  static size_t measure(const void* image);
  // Nothing where the bytes are no 64-bit little-endian ELF file, or one that is damaged. They stay the
  // caller's.
  static std::optional<ElfFile> open(std::span<const std::byte> bytes);

  const Elf64_Ehdr& header() const { return header_; }
  const std::vector<Section>& sections() const { return sections_; }
  const std::vector<Symbol>& symbols() const { return symbols_; }
  const Section* find(std::string_view name) const;  // null when there is none

 private:
  bool read_sections(std::span<const std::byte> bytes);
  bool read_symbols();

  Elf64_Ehdr header_{};
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
  std::unordered_map<std::string_view, size_t> by_name_;
};

}  // namespace softgpu::driver
