// SPDX-License-Identifier: BSD-3-Clause
// The messages that are written by hand on both sides; all others are generated, one for each driver call.
//
// A message without a Reply is answered, if it is waiting, by a header alone. A reply whose result is an
// error has an empty payload, except for the replies that carry a JitReport.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/blake2.h"
#include "wire/message.h"

namespace wire {

// ---- devices and contexts

struct DeviceInfo {
  std::string name;
  std::array<uint8_t, 16> uuid{};
  uint64_t total_bytes = 0;  // the lease's limit, not the card's memory
  std::string pci_bus_id;
  std::vector<int32_t> attributes;    // indexed by CUdevice_attribute
  std::vector<uint8_t> valid;         // 1 where the driver knows the attribute
  uint8_t executes_machine_code = 1;  // 0: an emulated device, which runs PTX
  uint64_t granularity_minimum = 0;   // cuMemGetAllocationGranularity
  uint64_t granularity_recommended = 0;
  int32_t least_priority =
      0;  // cuCtxGetStreamPriorityRange; known without a context as 0 and -5 on all devices so far
  int32_t greatest_priority = 0;
  BFKERNEL_FIELDS(name, uuid, total_bytes, pci_bus_id, attributes, valid, executes_machine_code,
                  granularity_minimum, granularity_recommended, least_priority, greatest_priority)
};

// Everything about the devices that does not change, in one round trip.
struct DeviceSnapshot {
  BFKERNEL_MESSAGE(DeviceSnapshot);
  struct Reply {
    int32_t driver_version = 0;
    std::vector<DeviceInfo> devices;
    std::vector<uint8_t> peer_access;  // [from * n + to]: cuDeviceCanAccessPeer
    std::vector<int32_t>
        peer_attributes;  // [(from * n + to) * 5 + attribute - 1]: cuDeviceGetP2PAttribute, 1 to 5
    BFKERNEL_FIELDS(driver_version, devices, peer_access, peer_attributes)
  };
  template <class A>
  void fields(A&) {}
};

// What can be read off a card, as NVML tells it: index into DeviceUse::figures. Units as in NVML's calls.
enum class CardFigure : uint16_t {
  gpu_utilization,
  memory_utilization,
  encoder_utilization,
  decoder_utilization,
  temperature,
  shutdown_temperature,
  slowdown_temperature,
  fan_percent,
  power_milliwatts,
  power_limit_milliwatts,
  graphics_clock,  // the four domains in the order of nvmlClockType_t
  sm_clock,
  memory_clock,
  video_clock,
  max_graphics_clock,
  max_sm_clock,
  max_memory_clock,
  max_video_clock,
  performance_state,
  pcie_generation,
  pcie_width,
  max_pcie_generation,
  max_pcie_width,
  brand,
  persistence,
  ecc,
  card_memory_bytes,
  count
};
inline constexpr int64_t kUnknownFigure = INT64_MIN;

// What one client process of the lease holds on one GPU.
struct ClientUse {
  uint32_t pid = 0;  // on the client's machine
  uint64_t bytes = 0;
  BFKERNEL_FIELDS(pid, bytes)
};
struct DeviceUse {
  uint64_t total_bytes = 0;  // as cuMemGetInfo says in the asking process
  uint64_t free_bytes = 0;
  std::vector<ClientUse> clients;
  std::vector<int64_t> figures;  // indexed by CardFigure; kUnknownFigure where nobody can tell
  BFKERNEL_FIELDS(total_bytes, free_bytes, clients, figures)
};

// What NVML's calls are answered from: the lease as it is now. Needs no context, and does not count as use of
// the lease.
struct LeaseReport {
  BFKERNEL_MESSAGE(LeaseReport);
  uint8_t figures = 0;           // 1: the cards' figures too, which take their time
  std::vector<uint64_t> unused;  // bytes of each GPU that the client was granted and has free
  BFKERNEL_FIELDS(figures, unused)
  struct Reply {
    std::vector<DeviceUse> devices;
    std::string driver;  // NVIDIA's number of its driver; empty where there is none
    BFKERNEL_FIELDS(devices, driver)
  };
};

// The first retain of a device; later ones are counted by the client.
struct PrimaryRetain {
  BFKERNEL_MESSAGE(PrimaryRetain);
  uint64_t context = 0;
  int32_t device = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(context, device, flags)
};
// The last release: the context and all that is in it ends, but may be retained again under the same id.
struct PrimaryRelease {
  BFKERNEL_MESSAGE(PrimaryRelease);
  int32_t device = 0;
  BFKERNEL_FIELDS(device)
};
struct PrimaryReset {
  BFKERNEL_MESSAGE(PrimaryReset);
  int32_t device = 0;
  BFKERNEL_FIELDS(device)
};
struct ContextCreate {
  BFKERNEL_MESSAGE(ContextCreate);
  uint64_t context = 0;
  int32_t device = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(context, device, flags)
};
struct ContextDestroy {
  BFKERNEL_MESSAGE(ContextDestroy);
  uint64_t context = 0;
  BFKERNEL_FIELDS(context)
};

// ---- functions of the client's program

struct LaunchHostFunction {
  BFKERNEL_MESSAGE(LaunchHostFunction);
  uint64_t stream = 0;
  uint64_t token = 0;
  BFKERNEL_FIELDS(stream, token)
};
struct AddStreamCallback {
  BFKERNEL_MESSAGE(AddStreamCallback);
  uint64_t stream = 0;
  uint64_t token = 0;
  BFKERNEL_FIELDS(stream, token)
};
// worker → client, on the connection with this role: call the function, then answer with a header alone.
inline constexpr std::string_view kHostFunctionsRole = "host-functions";
// Nothing is sent on it: its end tells the worker of the client's, when the first connection cannot.
inline constexpr std::string_view kLifelineRole = "lifeline";
struct HostCall {
  BFKERNEL_MESSAGE(HostCall);
  uint64_t token = 0;
  uint32_t status = 0;  // for stream callbacks
  uint8_t again = 0;    // 1: it belongs to a graph: it may be called again
  BFKERNEL_FIELDS(token, status, again)
};

// ---- memory. The device is that of the frame's context, where nothing else is said.

struct MemAlloc {
  BFKERNEL_MESSAGE(MemAlloc);
  uint64_t size = 0;
  int32_t device = -1;  // of the lease; -1: the context's
  BFKERNEL_FIELDS(size, device)
  struct Reply {
    uint64_t address = 0;
    BFKERNEL_FIELDS(address)
  };
};
struct MemFree {
  BFKERNEL_MESSAGE(MemFree);
  uint64_t address = 0;
  BFKERNEL_FIELDS(address)
};
struct MemInfo {
  BFKERNEL_MESSAGE(MemInfo);
  template <class A>
  void fields(A&) {}
  struct Reply {
    uint64_t free_bytes = 0;
    uint64_t total_bytes = 0;
    BFKERNEL_FIELDS(free_bytes, total_bytes)
  };
};

// Virtual memory management: the client hands out addresses of the window's upper half itself.
struct MemCreate {
  BFKERNEL_MESSAGE(MemCreate);
  uint64_t memory = 0;
  uint64_t size = 0;
  int32_t device = 0;
  BFKERNEL_FIELDS(memory, size, device)
};
struct MemRelease {
  BFKERNEL_MESSAGE(MemRelease);
  uint64_t memory = 0;
  BFKERNEL_FIELDS(memory)
};
struct MemMap {
  BFKERNEL_MESSAGE(MemMap);
  uint64_t address = 0;
  uint64_t size = 0;
  uint64_t offset = 0;
  uint64_t memory = 0;
  BFKERNEL_FIELDS(address, size, offset, memory)
};
struct MemUnmap {
  BFKERNEL_MESSAGE(MemUnmap);
  uint64_t address = 0;
  uint64_t size = 0;
  BFKERNEL_FIELDS(address, size)
};
struct MemSetAccess {
  BFKERNEL_MESSAGE(MemSetAccess);
  uint64_t address = 0;
  uint64_t size = 0;
  int32_t device = 0;
  uint32_t access = 0;  // CUmemAccess_flags
  BFKERNEL_FIELDS(address, size, device, access)
};

// ---- copies between client and device

// `bytes` comes last, so that a sender can write it from where it lies.
struct CopyToDevice {
  BFKERNEL_MESSAGE(CopyToDevice);
  uint64_t destination = 0;
  uint64_t stream = 0;
  uint8_t sync = 0;  // 1: the program called a synchronous form, so the copy is ordered as those are
  Bytes bytes;
  BFKERNEL_FIELDS(destination, stream, sync, bytes)
};
// The reply's payload is the bytes themselves, exactly `size` of them (of Copy3D: width * height * depth).
struct CopyToHost {
  BFKERNEL_MESSAGE(CopyToHost);
  uint64_t source = 0;
  uint64_t size = 0;
  uint64_t stream = 0;
  uint8_t sync = 0;
  BFKERNEL_FIELDS(source, size, stream, sync)
};

// One side of a 2-D or 3-D copy: rows of `pitch` bytes, slices of `slice_pitch`.
struct Pitched {
  uint64_t address = 0;
  uint64_t pitch = 0;
  uint64_t slice_pitch = 0;
  BFKERNEL_FIELDS(address, pitch, slice_pitch)
};
// One side that is an array: where in it the copy begins.
struct ArrayPlace {
  uint64_t array = 0;  // 0: this side is memory
  uint64_t x_bytes = 0;
  uint64_t y = 0;
  uint64_t z = 0;
  BFKERNEL_FIELDS(array, x_bytes, y, z)
};
enum class Direction : uint8_t { to_device, to_host, on_device };
// The client's side of the copy travels packed: width * height * depth bytes without gaps. on_device and
// to_device are posted, to_host is waiting and answered as CopyToHost is.
struct Copy3D {
  BFKERNEL_MESSAGE(Copy3D);
  Direction direction = Direction::on_device;
  uint8_t sync = 0;
  uint64_t stream = 0;
  uint64_t width_bytes = 0;
  uint64_t height = 0;
  uint64_t depth = 0;
  Pitched destination;  // unused for to_host
  Pitched source;       // unused for to_device
  ArrayPlace destination_array;
  ArrayPlace source_array;
  Bytes bytes;  // to_device only
  BFKERNEL_FIELDS(direction, sync, stream, width_bytes, height, depth, destination, source, destination_array,
                  source_array, bytes)
};

// ---- code

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
