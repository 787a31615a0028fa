// SPDX-License-Identifier: BSD-3-Clause
#include "worker/image.h"

#include <elf.h>

#include <cstring>

#include "wire/fatbin.h"
#include "worker/cubin_params.h"
#include "worker/session.h"

namespace worker {
namespace {

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
  const bool known = kind <= wire::Image::fatbins;
  if (!known || (kind == wire::Image::elf && !is_elf(bytes))) throw CudaError{CUDA_ERROR_INVALID_IMAGE};
  bytes_.reserve(bytes.size() + 1);
  bytes_.assign(bytes.begin(), bytes.end());
  bytes_.push_back(std::byte{0});  // PTX is text to the driver
  if (kind == wire::Image::fatbin || kind == wire::Image::fatbins) find_containers();
}

// The driver trusts the sizes inside; none may lead out of what the client sent.
void CodeImage::find_containers() {
  try {
    wire::Bytes rest = bytes();
    while (!rest.empty()) {
      containers_.push_back(wire::fatbin::container(rest));
      wire::fatbin::entries(containers_.back());
      rest = rest.subspan(containers_.back().size());
    }
  } catch (const wire::Malformed&) {
    throw CudaError{CUDA_ERROR_INVALID_IMAGE};
  }
  if (containers_.empty()) throw CudaError{CUDA_ERROR_INVALID_IMAGE};
  wrapper_.container = containers_.front().data();
  if (kind_ == wire::Image::fatbin) return;
  for (std::size_t i = 1; i < containers_.size(); ++i) parts_.push_back(containers_[i].data());
  parts_.push_back(nullptr);
  wrapper_.version = 2;
  wrapper_.more = parts_.data();
}

const void* CodeImage::data() const {
  return wrapper_.container != nullptr ? static_cast<const void*>(&wrapper_) : bytes_.data();
}

ParamLayouts CodeImage::layouts() const {
  if (kind_ == wire::Image::ptx)
    return ptx_params({reinterpret_cast<const char*>(bytes().data()), bytes().size()});
  if (kind_ == wire::Image::elf) return cubin_params(bytes());
  ParamLayouts out;
  for (const wire::Bytes container : containers_) out.merge(fatbin_params(container));
  return out;
}

}  // namespace worker
