// SPDX-License-Identifier: BSD-3-Clause
#include "shim/image.h"

#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "shim/devices.h"
#include "shim/failure.h"
#include "shim/fatbin.h"
#include "shim/logs.h"
#include "wire/device_messages.h"
#include "wire/frame.h"

namespace shim::image {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243B1;
constexpr uint32_t kLinkedWrapper = 2;

// What nvcc puts into a program: it points to the container. In a program that was linked from parts
// (nvcc -rdc=true) that is what came of linking, which may be empty, and `more` names the parts.
struct Wrapper {
  uint32_t magic;
  uint32_t version;
  const void* container;
  const void* const* more;  // version 2: containers, then null; version 1: a file's name
};

uint32_t magic_of(const void* image) {
  uint32_t magic = 0;
  std::memcpy(&magic, image, sizeof magic);
  return magic;
}

// Its header says how long it is.
wire::Bytes container(const void* image) {
  wire::fatbin::Container header;
  std::memcpy(&header, image, sizeof header);
  const bool sound = header.magic == wire::fatbin::kContainerMagic && header.header_size >= sizeof header &&
                     header.entries_size <= wire::kMaxPayload;
  require(sound, CUDA_ERROR_INVALID_IMAGE);
  return {static_cast<const std::byte*>(image), header.header_size + header.entries_size};
}

std::vector<wire::Bytes> parts(const Wrapper& wrapper) {
  std::vector<wire::Bytes> out;
  if (wrapper.version != kLinkedWrapper || !wrapper.more) return out;
  for (const void* const* next = wrapper.more; *next; ++next) out.push_back(container(*next));
  return out;
}

// The GPUs of the lease, each once. CUDA_FORCE_PTX_JIT asks a driver to leave machine code alone.
std::vector<fatbin::Device> targets() {
  const char* force = std::getenv("CUDA_FORCE_PTX_JIT");
  const bool text_only = force && std::strcmp(force, "1") == 0;
  std::vector<fatbin::Device> out;
  for (const wire::DeviceInfo& device : devices::snapshot().devices) {
    const int sm = 10 * device.attributes.at(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                   device.attributes.at(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    const bool known = std::any_of(out.begin(), out.end(), [sm](const auto& each) { return each.sm == sm; });
    if (!known) out.push_back({sm, device.executes_machine_code && !text_only});
  }
  return out;
}

[[noreturn]] void nothing_serves(wire::Bytes container, const std::vector<fatbin::Device>& devices) {
  std::string line = "no code for this GPU: it is";
  for (const fatbin::Device& device : devices) line += " sm_" + std::to_string(device.sm);
  logs::add(CU_LOG_LEVEL_ERROR, line + ", and the program brings " + fatbin::describe(container));
  throw Failure{CUDA_ERROR_NO_BINARY_FOR_GPU};
}

// The parts travel only where what was linked from them does not serve.
Code select(wire::Bytes linked, const std::vector<wire::Bytes>& parts) {
  const std::vector<fatbin::Device> devices = targets();
  try {
    fatbin::Shipment first = fatbin::select(linked, devices);
    if (parts.empty() || first.machine_code) {
      if (first.empty) nothing_serves(linked, devices);
      return {wire::Image::fatbin, std::move(first.container)};
    }
    bool empty = first.empty;
    std::vector<std::byte> all = std::move(first.container);
    for (const wire::Bytes part : parts) {
      const fatbin::Shipment selected = fatbin::select(part, devices);
      empty = empty && selected.empty;
      all.insert(all.end(), selected.container.begin(), selected.container.end());
    }
    if (empty) nothing_serves(parts.front(), devices);
    return {wire::Image::fatbins, std::move(all)};
  } catch (const wire::Malformed&) {
    throw Failure{CUDA_ERROR_INVALID_IMAGE};
  }
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
  return {wire::Image::elf, wire::Bytes(base, end)};
}

// Anything else that begins like text.
Code ptx(const void* image) {
  const auto* text = static_cast<const char*>(image);
  const char* first = text + std::strspn(text, " \t\r\n\v\f");
  require(*first == '.' || *first == '/', CUDA_ERROR_INVALID_IMAGE);
  return {wire::Image::ptx, wire::Bytes(static_cast<const std::byte*>(image), std::strlen(text))};
}

}  // namespace

wire::Code Code::described(wire::Image kind, wire::Bytes bytes) {
  wire::Code out{.image = kind, .bytes = bytes};
  if (bytes.size() >= wire::kLeastNamedCode) {
    out.named = 1;
    out.name = wire::blake2(bytes);
  }
  return out;
}

wire::Code Code::by_name() const {
  wire::Code out = whole_;
  if (out.named != 0) {
    out.here = 0;
    out.bytes = {};
  }
  return out;
}

Code recognise(const void* image) {
  require(image);
  const uint32_t magic = magic_of(image);
  if (magic == kWrapperMagic) {
    Wrapper wrapper;
    std::memcpy(&wrapper, image, sizeof wrapper);
    require(wrapper.container != nullptr, CUDA_ERROR_INVALID_IMAGE);
    return select(container(wrapper.container), parts(wrapper));
  }
  if (magic == wire::fatbin::kContainerMagic) return select(container(image), {});
  if (std::memcmp(image, ELFMAG, SELFMAG) == 0) return elf(image);
  return ptx(image);
}

wire::Bytes unwrapped(const void* image, size_t size) {
  Wrapper wrapper;
  if (size < sizeof wrapper || magic_of(image) != kWrapperMagic) return {};
  std::memcpy(&wrapper, image, sizeof wrapper);
  require(wrapper.container != nullptr, CUDA_ERROR_INVALID_IMAGE);
  return container(wrapper.container);
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
