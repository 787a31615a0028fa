// SPDX-License-Identifier: BSD-3-Clause
// Compiling texts into a Program, and placing a Program in memory.
#include <cstdlib>
#include <cstring>
#include <set>

#include "engine/decoder.h"
#include "engine/engine.h"
#include "engine/parser.h"

namespace softgpu {
namespace {

// Local memory of the deepest chain of calls below f, in bytes a thread.
uint64_t stack_need(const Function& f, std::set<const Function*>* path, bool* unbounded) {
  if (!path->insert(&f).second) {
    *unbounded = true;
    return 0;
  }
  *unbounded = *unbounded || f.unbounded_stack;
  uint64_t deepest = 0;
  for (const CallSite& site : f.calls) {
    if (site.builtin != 0) continue;
    if (site.target == nullptr)
      *unbounded = true;
    else
      deepest = std::max(deepest, stack_need(*site.target, path, unbounded));
  }
  path->erase(&f);
  return f.local_bytes + deepest;
}

void describe(const Module& module, const FunctionDecl& decl, const Program& program, int max_registers,
              Function* f) {
  KernelInfo& info = f->info;
  info.name = f->name;
  info.ptx_version = module.target;
  info.required_block = decl.required_block;
  info.required_cluster = decl.required_cluster;
  const auto& max = decl.max_block[0] > 0 ? decl.max_block : decl.required_block;
  if (max[0] > 0) info.max_threads_per_block = std::min(1024, max[0] * max[1] * max[2]);
  for (const int most : {decl.max_registers, max_registers}) {
    if (most > 0) info.registers = std::min(info.registers, most);
  }
  for (const GlobalData& g : program.globals) info.const_bytes += g.info.constant ? g.info.size : 0;
  std::set<const Function*> path;
  f->stack_need = stack_need(*f, &path, &f->unbounded_stack);
  info.local_bytes = f->stack_need;
}

std::shared_ptr<const Program> build(std::span<const std::string> texts, int max_registers) {
  std::vector<Module> modules;
  for (const std::string& text : texts) modules.push_back(parse(text));
  auto program = std::make_shared<Program>();
  Linker linker(modules, program.get());
  linker.run();
  ConstantPool pool(program.get());
  const size_t count = program->functions.size();
  for (size_t i = 0; i < count; ++i) Decoder(linker, program.get(), &pool, static_cast<int>(i)).run();
  for (size_t i = 0; i < count; ++i) {
    Function* f = program->functions[i].get();
    if (!f->entry) continue;
    describe(modules[static_cast<size_t>(f->module)], linker.declaration(static_cast<int>(i)), *program,
             max_registers, f);
    auto kernel = std::make_unique<Kernel>();
    kernel->function = f;
    program->kernels.emplace(f->name, kernel.get());
    program->kernel_list.push_back(std::move(kernel));
  }
  return program;
}

}  // namespace

std::shared_ptr<const Program> compile(std::span<const std::string> ptx_texts, JitLog* log,
                                       int max_registers) {
  try {
    return build(ptx_texts, max_registers);
  } catch (const PtxError& e) {
    if (log != nullptr) log->error += "line " + std::to_string(e.line) + ": " + e.what() + "\n";
    return nullptr;
  }
}

std::shared_ptr<const Program> opaque_program(std::vector<KernelInfo> kernels,
                                              std::vector<OpaqueGlobal> globals) {
  auto program = std::make_shared<Program>();
  for (KernelInfo& kernel : kernels) {
    auto function = std::make_unique<Function>();
    function->name = kernel.name;
    function->entry = true;
    function->info = std::move(kernel);
    auto named = std::make_unique<Kernel>();
    named->function = function.get();
    if (!program->kernels.emplace(function->name, named.get()).second) continue;  // a second of that name
    program->kernel_list.push_back(std::move(named));
    program->functions.push_back(std::move(function));
  }
  for (OpaqueGlobal& global : globals)
    program->globals.push_back({std::move(global.info), std::move(global.bytes), {}});
  return program;
}

std::vector<GlobalInfo> globals(const Program& program) {
  std::vector<GlobalInfo> out;
  for (const GlobalData& g : program.globals) out.push_back(g.info);
  return out;
}

std::vector<std::string> kernel_names(const Program& program) {
  std::vector<std::string> out;
  for (const auto& k : program.kernel_list) out.push_back(k->function->name);
  return out;
}

bool uses_heap(const Program& program) {
  for (const auto& f : program.functions) {
    if (f->allocates) return true;
  }
  return false;
}

const Kernel* find_kernel(const Program& program, std::string_view name) {
  const auto it = program.kernels.find(name);
  return it == program.kernels.end() ? nullptr : it->second;
}

const KernelInfo& info(const Kernel& kernel) { return kernel.function->info; }

Instance::Instance(std::shared_ptr<const Program> program, std::vector<uint64_t> addresses,
                   const std::vector<bool>& initialised)
    : program_(std::move(program)), addresses_(std::move(addresses)) {
  const auto resolve = [&](const Relocation& r) -> uint64_t {
    const uint64_t base = r.kind == Relocation::Kind::function
                              ? kFunctionWindow + 16 * (static_cast<uint64_t>(r.index) + 1)
                              : addresses_[static_cast<size_t>(r.index)];
    const uint64_t value = base + static_cast<uint64_t>(r.addend);
    return r.mask == ~0ull ? value : (value & r.mask) >> std::countr_zero(r.mask);
  };
  for (size_t i = 0; i < program_->globals.size(); ++i) {
    if (i < initialised.size() && initialised[i]) continue;
    const GlobalData& g = program_->globals[i];
    auto* memory = reinterpret_cast<uint8_t*>(addresses_[i]);
    std::memset(memory, 0, g.info.size);
    if (!g.bytes.empty()) std::memcpy(memory, g.bytes.data(), g.bytes.size());
    for (const Relocation& r : g.relocations) {
      const uint64_t value = resolve(r);
      std::memcpy(memory + r.at, &value, static_cast<size_t>(r.size));
    }
  }
  const size_t size = (program_->constants.size() + 127) / 64 * 64;
  constants_.reset(static_cast<uint8_t*>(std::aligned_alloc(64, size)), [](uint8_t* p) { std::free(p); });
  if (!program_->constants.empty())
    std::memcpy(constants_.get(), program_->constants.data(), program_->constants.size());
  for (const Relocation& r : program_->constant_relocations) {
    const uint64_t value = resolve(r);
    for (int lane = 0; lane < kLanes; ++lane)
      std::memcpy(constants_.get() + r.at + static_cast<size_t>(lane) * 8, &value, 8);
  }
}

}  // namespace softgpu
