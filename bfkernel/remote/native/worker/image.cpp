// SPDX-License-Identifier: BSD-3-Clause
#include "worker/image.h"

#include <elf.h>

#include <cstring>
#include <string_view>

#include "worker/session.h"

namespace worker {
namespace {

struct ContainerHeader {
  std::uint32_t magic;
  std::uint16_t version;
  std::uint16_t header_size;
  std::uint64_t entries_size;  // bytes after the header
};
constexpr std::uint32_t kContainerMagic = 0xBA55ED50;

// The driver trusts the sizes inside; none may lead out of what the client sent.
bool is_container(wire::Bytes bytes) {
  ContainerHeader header{};
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header.magic == kContainerMagic && header.header_size >= sizeof header &&
         header.header_size <= bytes.size() && header.entries_size <= bytes.size() - header.header_size;
}

bool is_piece(wire::Bytes bytes, std::uint64_t offset, std::uint64_t size) {
  return offset <= bytes.size() && size <= bytes.size() - offset;
}

// A driver learns where the file ends from its section and program headers.
bool is_elf(wire::Bytes bytes) {
  Elf64_Ehdr header{};
  if (bytes.size() < sizeof header) return false;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
    return false;
  if (!is_piece(bytes, header.e_phoff, header.e_phnum * sizeof(Elf64_Phdr)) ||
      !is_piece(bytes, header.e_shoff, header.e_shnum * sizeof(Elf64_Shdr)))
    return false;
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section{};
    std::memcpy(&section, bytes.data() + header.e_shoff + i * sizeof section, sizeof section);
    if (section.sh_type != SHT_NOBITS && !is_piece(bytes, section.sh_offset, section.sh_size)) return false;
  }
  return true;
}

}  // namespace

CodeImage::CodeImage(wire::Image kind, wire::Bytes bytes) : kind_(kind) {
  const bool fits = kind == wire::Image::ptx || (kind == wire::Image::elf && is_elf(bytes)) ||
                    (kind == wire::Image::fatbin && is_container(bytes));
  if (!fits) throw CudaError{CUDA_ERROR_INVALID_IMAGE};
  bytes_.reserve(bytes.size() + 1);
  bytes_.assign(bytes.begin(), bytes.end());
  bytes_.push_back(std::byte{0});  // PTX is text to the driver
  wrapper_.container = bytes_.data();
}

const void* CodeImage::data() const {
  return kind_ == wire::Image::fatbin ? static_cast<const void*>(&wrapper_) : bytes_.data();
}

std::string_view CodeImage::ptx() const {
  if (kind_ != wire::Image::ptx) return {};
  return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size() - 1};
}

}  // namespace worker
