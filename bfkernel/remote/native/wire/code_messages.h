// SPDX-License-Identifier: BSD-3-Clause
// Messages about code: modules, libraries and links, and launches of what is in them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "wire/blake2.h"
#include "wire/message.h"

namespace wire {

// A JIT option with a plain value. The log options do not travel: their sizes do.
struct JitOption {
  uint32_t option = 0;  // CUjit_option
  uint64_t value = 0;
  BFKERNEL_FIELDS(option, value)
};
struct JitOptions {
  std::vector<JitOption> options;
  uint32_t info_log_size = 0;
  uint32_t error_log_size = 0;
  BFKERNEL_FIELDS(options, info_log_size, error_log_size)
};
// What the compiler says: its logs, and the values of the options that it sets.
struct JitReport {
  std::string info_log;
  std::string error_log;
  std::vector<JitOption> outputs;
  BFKERNEL_FIELDS(info_log, error_log, outputs)
};
struct KernelParam {
  uint32_t offset = 0;
  uint32_t size = 0;
  BFKERNEL_FIELDS(offset, size)
};
inline constexpr int32_t kUnknownAttribute = INT32_MIN;
struct KernelEntry {
  std::string name;
  uint8_t params_known = 0;  // 0: the driver does not tell, and the image could not be read
  std::vector<KernelParam> params;
  std::vector<int32_t>
      attributes;  // indexed by CUfunction_attribute; kUnknownAttribute where the driver fails; may be empty
  BFKERNEL_FIELDS(name, params_known, params, attributes)
};
// fatbins: several containers one after the other, of a program that was linked from parts. The first holds
// what came of linking, the others what was linked, for a driver that has to do it again.
enum class Image : uint8_t { ptx, elf, fatbin, fatbins };
// Smaller code is not worth a name: it travels with each load.
inline constexpr size_t kLeastNamedCode = 16 << 10;
// A fat binary travels as its container (header and entries), with the entries that can serve; PTX without
// its terminating NUL. Code that the server may keep has a name, and at first only the name travels.
struct Code {
  Image image = Image::ptx;
  uint8_t named = 0;  // 1: `name` is the BLAKE2 hash of the bytes
  uint8_t here = 1;   // 0: `bytes` stays empty; the server is to take what it keeps under the name
  Digest name{};
  Bytes bytes;
  BFKERNEL_FIELDS(image, named, here, name, bytes)
};
// What a load returns, on failure with the report only.
struct LoadReply {
  uint8_t bytes_wanted = 0;    // 1: the server keeps no code of that name; nothing was loaded
  uint8_t table_complete = 0;  // 0: the driver cannot list its kernels; FunctionLookup finds them
  std::vector<KernelEntry> kernels;
  JitReport report;
  BFKERNEL_FIELDS(bytes_wanted, table_complete, kernels, report)
};
struct ModuleLoad {
  BFKERNEL_MESSAGE(ModuleLoad);
  uint64_t module = 0;
  Code code;
  JitOptions jit;
  BFKERNEL_FIELDS(module, code, jit)
  using Reply = LoadReply;
};
struct LibraryLoad {
  BFKERNEL_MESSAGE(LibraryLoad);
  uint64_t library = 0;
  Code code;
  JitOptions jit;
  BFKERNEL_FIELDS(library, code, jit)
  using Reply = LoadReply;
};
// cuLibraryGetModule: the library's module in the frame's context, under a module id of its own.
struct LibraryModule {
  BFKERNEL_MESSAGE(LibraryModule);
  uint64_t library = 0;
  uint64_t module = 0;
  BFKERNEL_FIELDS(library, module)
  using Reply = LoadReply;
};
// Where the load's table is not complete. The function's id is entry_id(owner, index).
struct FunctionLookup {
  BFKERNEL_MESSAGE(FunctionLookup);
  uint64_t owner = 0;  // a module or a library
  uint8_t is_library = 0;
  uint32_t index = 0;
  std::string name;
  BFKERNEL_FIELDS(owner, is_library, index, name)
  struct Reply {
    KernelEntry kernel;
    BFKERNEL_FIELDS(kernel)
  };
};
// For a kernel whose entry came without attributes: one of very many.
struct FunctionAttributes {
  BFKERNEL_MESSAGE(FunctionAttributes);
  uint64_t function = 0;
  BFKERNEL_FIELDS(function)
  struct Reply {
    std::vector<int32_t> attributes;
    BFKERNEL_FIELDS(attributes)
  };
};
struct ModuleGlobal {
  BFKERNEL_MESSAGE(ModuleGlobal);
  uint64_t owner = 0;
  uint8_t is_library = 0;
  uint8_t managed = 0;  // 1: a library's managed variable or none (cuLibraryGetManaged)
  std::string name;
  BFKERNEL_FIELDS(owner, is_library, managed, name)
  struct Reply {
    uint64_t address = 0;
    uint64_t size = 0;
    uint8_t managed = 0;
    BFKERNEL_FIELDS(address, size, managed)
  };
};

struct LinkCreate {
  BFKERNEL_MESSAGE(LinkCreate);
  uint64_t link = 0;
  JitOptions jit;
  BFKERNEL_FIELDS(link, jit)
};
struct LinkAddData {
  BFKERNEL_MESSAGE(LinkAddData);
  uint64_t link = 0;
  uint32_t type = 0;  // CUjitInputType
  std::string name;
  JitOptions jit;
  Bytes data;
  BFKERNEL_FIELDS(link, type, name, jit, data)
  using Reply = JitReport;
};
struct LinkComplete {
  BFKERNEL_MESSAGE(LinkComplete);
  uint64_t link = 0;
  BFKERNEL_FIELDS(link)
  struct Reply {
    JitReport report;
    Bytes image;
    BFKERNEL_FIELDS(report, image)
  };
};
struct LinkDestroy {
  BFKERNEL_MESSAGE(LinkDestroy);
  uint64_t link = 0;
  BFKERNEL_FIELDS(link)
};

// ---- launches

struct LaunchAttribute {
  uint32_t id = 0;  // CUlaunchAttributeID; only those whose value holds no pointer or handle travel
  std::array<uint8_t, 64> value{};
  BFKERNEL_FIELDS(id, value)
};
struct Launch {
  BFKERNEL_MESSAGE(Launch);
  uint64_t function = 0;  // of a module, or a kernel of a library
  std::array<uint32_t, 3> grid{1, 1, 1};
  std::array<uint32_t, 3> block{1, 1, 1};
  uint32_t shared_bytes = 0;
  uint64_t stream = 0;
  std::vector<LaunchAttribute> attributes;
  Bytes params;  // packed by the kernel's layout
  BFKERNEL_FIELDS(function, grid, block, shared_bytes, stream, attributes, params)
};

}  // namespace wire
