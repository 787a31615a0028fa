// SPDX-License-Identifier: BSD-3-Clause
// The decoded program: an array of fixed-size instructions per function, each with its handler and the byte
// offsets of its operands.
//
// Registers are rows: 32 lanes side by side, 2, 4, 8 or 16 bytes a lane. A row lives in the frame of its
// function, or (a constant or an address) in the program's constant pool, whose rows hold 32 equal values. An
// operand is the row's byte offset; its lowest bit says which of the two it is, so handlers need not know the
// difference.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ast.h"
#include "engine/engine.h"

namespace softgpu {

constexpr int kLanes = 32;

// Generic addresses that are no device memory. Outside canonical user space, so they never collide with a
// mapping.
constexpr uint64_t kFunctionWindow =
    0x00fc'0000'0000'0000;                                // + 16 * (index + 1): what a function pointer holds
constexpr uint64_t kParamWindow = 0x00fd'0000'0000'0000;  // + offset in the kernel's parameters
constexpr uint64_t kSharedWindow = 0x00fe'0000'0000'0000;  // + shared address
constexpr uint64_t kLocalWindow = 0x00ff'0000'0000'0000;   // + local address
constexpr uint64_t kWindowSize = 1ull << 32;

class Warp;
struct Instr;
struct Function;

// Executes one instruction for the warp's active lanes and returns the next one, or null to leave the warp's
// loop (the warp then says why).
using Handler = const Instr* (*)(Warp&, const Instr*);

constexpr uint32_t kInConstants = 1;  // operand bit: the row is in the constant pool
constexpr uint32_t kNegated = 2;      // guard bit: @!p
constexpr uint32_t kNoOperand = ~0u;

struct Instr {
  Handler fn = nullptr;
  Handler inner = nullptr;  // what a guarded instruction does
  uint32_t o[6] = {kNoOperand, kNoOperand, kNoOperand, kNoOperand, kNoOperand, kNoOperand};
  uint32_t guard = kNoOperand;
  uint32_t aux = 0;                // modifiers: rounding, counts, formats; meaning per handler
  int64_t imm = 0;                 // address offset, branch distance in instructions, immediate
  const uint32_t* more = nullptr;  // operands beyond six (matrix instructions), or a CallSite's index in imm
  uint32_t line = 0;
  uint32_t name = 0;  // index into Function::mnemonics
};

// A parameter or result of a device function: its place in the frame's local memory.
struct Slot {
  uint32_t offset = 0;
  uint32_t size = 0;
  uint32_t row = kNoOperand;  // .reg parameters: the register row instead
};

struct CallSite {
  const Function* target = nullptr;  // null: indirect, the address is in o[0]
  std::vector<Slot> args;            // in the caller's frame
  std::vector<Slot> results;
  int builtin = 0;  // vprintf, malloc… ; 0: none
};

struct Function {
  std::string name;
  bool entry = false;
  int index = 0;
  int module = 0;
  std::vector<Instr> code;
  std::vector<CallSite> calls;
  std::vector<std::vector<int32_t>> branch_tables;
  std::vector<std::unique_ptr<std::vector<uint32_t>>> wide_operands;
  std::vector<std::string> mnemonics;
  uint32_t frame_bytes = 64;
  uint32_t local_bytes = 0;
  std::vector<Slot> params;  // of an entry: offsets in the parameter buffer
  std::vector<Slot> results;
  uint64_t stack_need = 0;           // local bytes of the deepest static call chain; entries only
  bool unbounded_stack = false;      // recursion or indirect calls below
  uint64_t dynamic_shared_base = 0;  // where extern .shared arrays begin; entries only
  bool allocates = false;            // calls malloc
  KernelInfo info;
};

// A place in the constant pool or in a global's bytes that holds an address known only to an Instance.
struct Relocation {
  enum class Kind { global, function, shared, absolute };
  uint64_t at = 0;  // byte offset in the pool, or in the global
  Kind kind = Kind::global;
  int index = 0;
  int64_t addend = 0;
  uint64_t mask = ~0ull;
  int size = 8;  // bytes written at `at`; the pool: a whole row
};

struct GlobalData {
  GlobalInfo info;
  std::vector<uint8_t> bytes;
  std::vector<Relocation> relocations;
};

class Kernel {
 public:
  const Function* function = nullptr;
};

class Program {
 public:
  std::vector<std::unique_ptr<Function>> functions;  // entries and device functions
  std::map<std::string, const Kernel*, std::less<>> kernels;
  std::vector<std::unique_ptr<Kernel>> kernel_list;
  std::vector<GlobalData> globals;
  std::vector<uint8_t> constants;  // rows; 64-byte aligned once copied into an Instance
  std::vector<Relocation> constant_relocations;
};

}  // namespace softgpu
