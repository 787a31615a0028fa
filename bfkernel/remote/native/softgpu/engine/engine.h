// SPDX-License-Identifier: BSD-3-Clause
// The PTX engine of softgpu: what the driver half of the library (../driver) may ask of it.
//
// The engine knows PTX, warps and blocks. It knows nothing of contexts, streams or the CUDA ABI.
// A Program is parsed and decoded once; launching it many times costs no decoding.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softgpu {

// What a module load or link writes into the caller's JIT log buffers.
struct JitLog {
  std::string info;
  std::string error;  // one line a problem: "line 12: unknown instruction 'foo.s32'"
};

struct ParamInfo {
  size_t offset = 0;
  size_t size = 0;
};

// Properties of one .entry, as cuFuncGetAttribute and cuFuncGetParamInfo report them.
struct KernelInfo {
  std::string name;
  std::vector<ParamInfo> params;
  size_t param_bytes = 0;
  size_t static_shared_bytes = 0;
  size_t const_bytes = 0;
  size_t local_bytes = 0;  // per thread
  int registers = 0;       // an estimate in the spirit of ptxas; never 0
  int max_threads_per_block = 1024;
  std::array<int, 3> required_block = {0, 0, 0};    // .reqntid, 0 where absent
  std::array<int, 3> required_cluster = {0, 0, 0};  // .reqnctapercluster, 0 where absent
  int ptx_version = 0;                              // 10 * major + minor of .target, e.g. 80
  bool machine_code = false;                        // known by name only: it cannot be launched
};

struct GlobalInfo {
  std::string name;
  size_t size = 0;
  size_t alignment = 1;
  bool constant = false;  // .const rather than .global
  bool managed = false;   // the host reads and writes it as well
};

// Which device memory a launch may touch. Implemented by the driver half; called from many threads at once.
class MemoryMap {
 public:
  virtual ~MemoryMap() = default;
  // [address, address + size) lies wholly inside live device memory of this context.
  // On success *begin and *end bound the live range that holds it, so that a caller may cache it for the
  // rest of one instruction or block.
  virtual bool find(uint64_t address, size_t size, uint64_t* begin, uint64_t* end) const = 0;
};

// Where device printf goes. `text` is already formatted; called in order within one thread of the grid.
class PrintfSink {
 public:
  virtual ~PrintfSink() = default;
  virtual void write(std::string_view text) = 0;
  // Messages of failed assertions, which CUDA prints on stderr. Not overridden: as printf.
  virtual void write_error(std::string_view text) { write(text); }
};

enum class Fault {
  none,
  illegal_address,
  misaligned_address,
  illegal_instruction,
  assert_triggered,  // __assertfail
  trap,              // trap; or brkpt
  launch_out_of_resources,
  invalid_pc,
  launch_timeout,  // deadlock: every thread of a block waits for something that nobody will do
};

struct FaultReport {
  Fault fault = Fault::none;
  std::string
      detail;  // "illegal address 0x… (ld.global.f32, line 40) in kernel vadd, block (0,0,0), thread (1,0,0)"
};

class Program;
class Kernel;  // lives as long as its Program
class TextureTable;

// Device functions, constants and globals of one or more PTX texts, linked. Immutable and shareable.
// Returns null with log->error filled in when a text does not parse, holds an instruction that the engine
// does not know, or leaves a symbol unresolved.
// `max_registers` is what a kernel may use, 0 for any number.
std::shared_ptr<const Program> compile(std::span<const std::string> ptx_texts, JitLog* log,
                                       int max_registers = 0);

struct OpaqueGlobal {
  GlobalInfo info;
  std::vector<uint8_t> bytes;  // first value; zeros beyond it
};
// A program of which only the description is known: its kernels can be found, but not launched.
std::shared_ptr<const Program> opaque_program(std::vector<KernelInfo> kernels,
                                              std::vector<OpaqueGlobal> globals);

std::vector<GlobalInfo> globals(const Program& program);
std::vector<std::string> kernel_names(const Program& program);
bool uses_heap(const Program& program);  // some function calls malloc()
const Kernel* find_kernel(const Program& program, std::string_view name);
const KernelInfo& info(const Kernel& kernel);

// A Program placed in one context's memory: where each of its globals lives, in the order of globals().
class Instance {
 public:
  // `addresses[i]` is device memory of globals()[i].size bytes, already allocated by the caller, writable
  // through ordinary loads and stores of this process. The constructor writes the initial values, but not
  // where `initialised[i]` says that another instance has.
  Instance(std::shared_ptr<const Program> program, std::vector<uint64_t> addresses,
           const std::vector<bool>& initialised = {});
  const Program& program() const { return *program_; }
  const std::vector<uint64_t>& addresses() const { return addresses_; }

  // For the engine: the program's constant rows with this placement's addresses filled in.
  const uint8_t* constants() const { return constants_.get(); }

 private:
  std::shared_ptr<const Program> program_;
  std::vector<uint64_t> addresses_;
  std::shared_ptr<uint8_t> constants_;
};

struct LaunchConfig {
  std::array<uint32_t, 3> grid = {1, 1, 1};
  std::array<uint32_t, 3> block = {1, 1, 1};
  uint32_t dynamic_shared_bytes = 0;
  bool cooperative = false;  // all blocks are resident at once; grid-wide barriers work
  std::span<const std::byte> params;
  uint64_t grid_id = 0;
  std::array<int, 2> compute_capability = {8, 0};
  uint32_t multiprocessors = 1;  // what %nsmid reports
  // Device memory that malloc() and free() of device code hand out: a live allocation of this context, at
  // least 64 KiB, kept for the context's life (CU_LIMIT_MALLOC_HEAP_SIZE bytes). The driver half makes it
  // when a program with uses_heap() is first launched. The engine keeps its bookkeeping inside the range;
  // before the first launch the driver fills the range's first 64 bytes with zeros. Both 0: malloc() in
  // device code returns null.
  uint64_t heap_begin = 0;
  uint64_t heap_end = 0;
  const TextureTable* textures = nullptr;  // what handles of textures and surfaces mean; see texture.h
};

// Runs the grid to its end on the engine's thread pool (all cores); returns the first fault.
// May be called from several threads at once: grids of different streams share the cores.
FaultReport launch(const Instance& instance, const Kernel& kernel, const LaunchConfig& config,
                   const MemoryMap& memory, PrintfSink& out);

}  // namespace softgpu
