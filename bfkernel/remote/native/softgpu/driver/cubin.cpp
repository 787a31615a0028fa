// SPDX-License-Identifier: BSD-3-Clause
#include "cubin.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <unordered_map>

#include "api.h"
#include "elf_file.h"

namespace softgpu::driver {
namespace {

constexpr uint8_t kFirstAbiWithWideTarget = 8;   // CUDA 13; before it the target is in the lowest bits
constexpr unsigned char kEntryMark = 0x10;       // in st_other: a kernel, not a device function
constexpr size_t kMostStatic = size_t{1} << 30;  // shared and local bytes that a file may claim

// Records of .nv.info sections: format, attribute, then a 16-bit value or that many bytes.
enum Attribute : uint8_t {
  kMaxThreads = 0x05,
  kRequiredThreads = 0x10,
  kStackSize = 0x12,
  kParameter = 0x17,
  kParametersSize = 0x19,
  kRegisters = 0x2f,
};
constexpr uint8_t kFormatBytes = 4;

struct Record {
  uint8_t attribute;
  uint16_t value;                   // of the short formats
  std::span<const std::byte> data;  // of the long one
};

uint32_t word(std::span<const std::byte> data, size_t index) {
  uint32_t value = 0;
  std::memcpy(&value, data.data() + index * 4, 4);
  return value;
}

// Calls visit(record) for each; false where the section is damaged.
template <typename Visit>
bool each_record(std::span<const std::byte> bytes, Visit visit) {
  while (bytes.size() >= 4) {
    uint16_t value;
    std::memcpy(&value, bytes.data() + 2, 2);
    const size_t data = static_cast<uint8_t>(bytes[0]) == kFormatBytes ? value : 0;
    if (data > bytes.size() - 4) return false;
    visit(Record{static_cast<uint8_t>(bytes[1]), value, bytes.subspan(4, data)});
    bytes = bytes.subspan(4 + data);
  }
  return true;
}

// What the sections of a whole file say of each symbol.
struct Usage {
  std::unordered_map<uint32_t, uint32_t> registers;
  std::unordered_map<uint32_t, uint32_t> stack;
};

class Reader {
 public:
  Reader(const ElfFile& file, int target) : file_(file), target_(target) {}

  bool read(std::vector<KernelInfo>* kernels, std::map<std::string, OpaqueGlobal>* globals) {
    if (const auto* info = file_.find(".nv.info"); info && !read_usage(info->bytes)) return false;
    for (uint32_t i = 0; i < file_.symbols().size(); ++i) {
      const ElfFile::Symbol& symbol = file_.symbols()[i];
      const unsigned kind = ELF64_ST_TYPE(symbol.entry.st_info);
      if (symbol.name.empty()) continue;
      if (kind == STT_FUNC && symbol.entry.st_other & kEntryMark) {
        KernelInfo kernel;
        if (!read_kernel(symbol, i, &kernel)) return false;
        kernels->push_back(std::move(kernel));
      } else if (kind == STT_OBJECT) {
        OpaqueGlobal global;
        if (!read_global(symbol, &global)) return false;
        if (global.info.size > 0) globals->emplace(global.info.name, std::move(global));
      }
    }
    return true;
  }

 private:
  bool read_usage(std::span<const std::byte> bytes) {
    return each_record(bytes, [&](const Record& record) {
      if (record.data.size() != 8) return;
      if (record.attribute == kRegisters) usage_.registers[word(record.data, 0)] = word(record.data, 1);
      if (record.attribute == kStackSize) usage_.stack[word(record.data, 0)] = word(record.data, 1);
    });
  }

  bool read_kernel(const ElfFile::Symbol& symbol, uint32_t index, KernelInfo* kernel) {
    const std::string name(symbol.name);
    kernel->name = name;
    kernel->machine_code = true;
    kernel->ptx_version = target_;
    kernel->registers = static_cast<int>(std::clamp<uint32_t>(usage_.registers[index], 1, 255));
    kernel->local_bytes = std::min<size_t>(usage_.stack[index], kMostStatic);
    if (const auto* shared = file_.find(".nv.shared." + name))
      kernel->static_shared_bytes = std::min<uint64_t>(shared->header.sh_size, kMostStatic);
    if (const auto* constant = file_.find(".nv.constant3")) kernel->const_bytes = constant->header.sh_size;
    const auto* info = file_.find(".nv.info." + name);
    return !info || read_attributes(info->bytes, kernel);
  }

  static bool read_attributes(std::span<const std::byte> bytes, KernelInfo* kernel) {
    std::map<uint16_t, ParamInfo> params;  // the file lists them from the last to the first
    const bool whole = each_record(bytes, [&](const Record& record) {
      const auto& data = record.data;
      if (record.attribute == kParameter && data.size() >= 12) {
        const uint32_t place = word(data, 1);
        params[place & 0xffff] = {place >> 16, word(data, 2) >> 18};
      } else if (record.attribute == kParametersSize) {
        kernel->param_bytes = record.value;
      } else if (record.attribute == kMaxThreads && data.size() >= 12) {
        const uint64_t most =
            uint64_t{word(data, 0) & 0xffff} * (word(data, 1) & 0xffff) * (word(data, 2) & 0xffff);
        kernel->max_threads_per_block = static_cast<int>(std::clamp<uint64_t>(most, 1, 1024));
      } else if (record.attribute == kRequiredThreads && data.size() >= 12) {
        for (size_t axis = 0; axis < 3; ++axis)
          kernel->required_block[axis] = static_cast<int>(std::min<uint32_t>(word(data, axis), 1024));
      }
    });
    for (const auto& [ordinal, param] : params) {
      kernel->params.push_back(param);
      kernel->param_bytes = std::max(kernel->param_bytes, param.offset + param.size);
    }
    return whole;
  }

  // Leaves it without a size where the symbol is none of the program's variables.
  bool read_global(const ElfFile::Symbol& symbol, OpaqueGlobal* global) {
    if (symbol.entry.st_shndx >= file_.sections().size()) return true;
    const ElfFile::Section& section = file_.sections()[symbol.entry.st_shndx];
    const bool constant = section.name == ".nv.constant3";
    if (!constant && section.name != ".nv.global" && section.name != ".nv.global.init") return true;
    const uint64_t at = symbol.entry.st_value, size = symbol.entry.st_size;
    if (at > section.header.sh_size || size > section.header.sh_size - at) return false;
    global->info = {std::string(symbol.name), size, 256, constant};
    if (section.bytes.empty()) return true;
    const auto* begin = reinterpret_cast<const uint8_t*>(section.bytes.data()) + at;
    global->bytes.assign(begin, begin + size);
    return true;
  }

  const ElfFile& file_;
  const int target_;
  Usage usage_;
};

int target_of(const ElfFile& file) {
  if (file.header().e_machine != EM_CUDA) return 0;
  const uint32_t flags = file.header().e_flags;
  return file.header().e_ident[EI_ABIVERSION] >= kFirstAbiWithWideTarget ? flags >> 8 & 0xff : flags & 0xff;
}

[[noreturn]] void damaged(JitLog* log) {
  log->error += "the cubin is damaged\n";
  fail(CUDA_ERROR_INVALID_IMAGE);
}

}  // namespace

int cubin_target(std::span<const std::byte> cubin) {
  const std::optional<ElfFile> file = ElfFile::open(cubin);
  return file ? target_of(*file) : 0;
}

bool cubin_serves(int target, std::array<int, 2> compute_capability) {
  return target / 10 == compute_capability[0] && target % 10 <= compute_capability[1];
}

std::shared_ptr<const Program> cubin_program(const std::vector<CubinBytes>& cubins, JitLog* log) {
  std::vector<KernelInfo> kernels;
  std::map<std::string, OpaqueGlobal> by_name;
  for (const CubinBytes& cubin : cubins) {
    const std::optional<ElfFile> file = ElfFile::open(cubin);
    if (!file || !Reader(*file, target_of(*file)).read(&kernels, &by_name)) damaged(log);
  }
  log->info += "machine code: softgpu executes PTX, so these kernels can be looked up but not launched\n";
  std::vector<OpaqueGlobal> globals;
  for (auto& [name, global] : by_name) globals.push_back(std::move(global));
  return opaque_program(std::move(kernels), std::move(globals));
}

}  // namespace softgpu::driver
