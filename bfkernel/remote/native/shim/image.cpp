// SPDX-License-Identifier: BSD-3-Clause
#include "shim/image.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "shim/failure.h"
#include "wire/frame.h"

namespace shim::image {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243B1;
constexpr uint32_t kContainerMagic = 0xBA55ED50;
constexpr uint32_t kOldContainerMagic = 0x1EE55A01;

// What nvcc puts into a program: it points to the container.
struct Wrapper {
  uint32_t magic;
  uint32_t version;
  const void* container;
  const void* name;
};

struct Container {
  uint32_t magic;
  uint16_t version;
  uint16_t header_size;
  uint64_t size;  // of all entries after the header
};

uint32_t magic_of(const void* image) {
  uint32_t magic = 0;
  std::memcpy(&magic, image, sizeof magic);
  return magic;
}

Code container(const void* image) {
  Container header;
  std::memcpy(&header, image, sizeof header);
  require(header.header_size >= sizeof header && header.size <= wire::kMaxPayload, CUDA_ERROR_INVALID_IMAGE);
  return {wire::Image::fatbin, {static_cast<const std::byte*>(image), header.header_size + header.size}};
}

// The end of an ELF file is the end of its last section or table.
Code elf(const void* image) {
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  require(header.e_ident[EI_CLASS] == ELFCLASS64, CUDA_ERROR_INVALID_IMAGE);
  const auto* base = static_cast<const std::byte*>(image);
  uint64_t end = std::max<uint64_t>(header.e_phoff + uint64_t{header.e_phnum} * header.e_phentsize,
                                    header.e_shoff + uint64_t{header.e_shnum} * header.e_shentsize);
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    std::memcpy(&section, base + header.e_shoff + uint64_t{i} * header.e_shentsize, sizeof section);
    if (section.sh_type != SHT_NOBITS) end = std::max<uint64_t>(end, section.sh_offset + section.sh_size);
  }
  require(end <= wire::kMaxPayload, CUDA_ERROR_INVALID_IMAGE);
  return {wire::Image::elf, {base, end}};
}

// Anything else that begins like text.
Code ptx(const void* image) {
  const auto* text = static_cast<const char*>(image);
  const char* first = text + std::strspn(text, " \t\r\n\v\f");
  require(*first == '.' || *first == '/', CUDA_ERROR_INVALID_IMAGE);
  return {wire::Image::ptx, {static_cast<const std::byte*>(image), std::strlen(text)}};
}

}  // namespace

Code recognise(const void* image) {
  require(image);
  const uint32_t magic = magic_of(image);
  if (magic == kWrapperMagic) {
    Wrapper wrapper;
    std::memcpy(&wrapper, image, sizeof wrapper);
    require(wrapper.container != nullptr, CUDA_ERROR_INVALID_IMAGE);
    return container(wrapper.container);
  }
  if (magic == kContainerMagic || magic == kOldContainerMagic) return container(image);
  if (std::memcmp(image, ELFMAG, SELFMAG) == 0) return elf(image);
  return ptx(image);
}

std::vector<char> read_file(const char* path) {
  require(path);
  std::ifstream file(path, std::ios::binary);
  require(file.good(), CUDA_ERROR_FILE_NOT_FOUND);
  std::vector<char> content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // NULs at the end, so that no look at the first bytes runs past it.
  content.resize(content.size() + 64);
  return content;
}

}  // namespace shim::image
