// SPDX-License-Identifier: BSD-3-Clause
#include "shim/modules.h"

#include <cstdlib>
#include <cstring>
#include <utility>

#include "shim/api.h"
#include "shim/capture.h"
#include "shim/image.h"
#include "shim/jit.h"
#include "shim/logs.h"
#include "shim/memory.h"
#include "shim/request.h"
#include "shim/shared_pages.h"

namespace shim {
namespace {

// Sends a load, delivers the logs whether or not it loaded, and returns the table.
template <class Message>
wire::LoadReply ask(const Message& message, const Jit& jit, Context need) {
  Request request(Message::opcode, need);
  request.fields(message);
  Pending pending;
  const CUresult result = request.wait(pending);
  wire::LoadReply reply;
  if (!pending.payload.empty()) reply = wire::Decoder(pending.payload).take<wire::LoadReply>();
  if (reply.bytes_wanted == 0) jit.deliver(reply.report);
  if (result != CUDA_SUCCESS) {
    logs::add(CU_LOG_LEVEL_ERROR, "loading code failed: " + reply.report.error_log);
    throw Failure{result};
  }
  return reply;
}

// Loads code into the object that `message` names: large code by its name, and with its bytes only where the
// server does not keep them from an earlier load, whosever that was.
template <class Message>
wire::LoadReply load(Message message, const image::Code& code, const Jit& jit, Context need) {
  message.code = code.by_name();
  message.jit = jit.wire();
  wire::LoadReply reply = ask(message, jit, need);
  if (reply.bytes_wanted != 0) {
    message.code = code.whole();
    reply = ask(message, jit, need);
  }
  require(reply.bytes_wanted == 0, CUDA_ERROR_UNKNOWN);
  return reply;
}

CUresult load_module(CUmodule* module, const void* code, const Jit& jit) {
  require(module);
  capture::check_unsafe();
  const image::Code image = image::recognise(code);
  CUmodule made = create<CUmodule>();
  ModuleObject* object = object_of(made);
  try {
    object->table.fill(object, load(wire::ModuleLoad{.module = object->id}, image, jit, Context::current));
  } catch (const Failure&) {
    release(made);
    throw;
  }
  *module = made;
  return CUDA_SUCCESS;
}

CUresult load_library(CUlibrary* library, const void* code, const Jit& jit) {
  require(library);
  const image::Code image = image::recognise(code);
  CUlibrary made = create<CUlibrary>();
  LibraryObject* object = object_of(made);
  try {
    object->table.fill(object, load(wire::LibraryLoad{.library = object->id}, image, jit, Context::any));
  } catch (const Failure&) {
    release(made);
    throw;
  }
  *library = made;
  return CUDA_SUCCESS;
}

// Library options only say how the host's image and unused kernels are treated: nothing to do here.
CUresult check_options(CUlibraryOption* options, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    const bool known = options[i] == CU_LIBRARY_BINARY_IS_PRESERVED ||
                       options[i] == CU_LIBRARY_HOST_UNIVERSAL_FUNCTION_AND_DATA_TABLE;
    require(known, CUDA_ERROR_INVALID_VALUE);
  }
  return CUDA_SUCCESS;
}

template <class H>
CUresult enumerate(H* out, unsigned room, const CodeTable& table) {
  require(out);
  require(table.complete, CUDA_ERROR_NOT_SUPPORTED);
  for (unsigned i = 0; i < room && i < table.kernels.size(); ++i)
    out[i] = reinterpret_cast<H>(table.kernels[i]);
  return CUDA_SUCCESS;
}

// A runtime asks for a library's managed variables while it starts, before it has a context. Here their bytes
// travel in one: the first device's primary context, which is then held for good.
ContextObject* context_of_managed() {
  if (ContextObject* context = home_context()) return context;
  ContextObject* context = contexts::primary(0);
  CUcontext retained = nullptr;
  if (!contexts::usable(context)) api::cuDevicePrimaryCtxRetain(&retained, 0);
  return context;
}

// The tables that hold code now, by the id of what holds it.
std::mutex& tables_mutex = *new std::mutex;
std::unordered_map<uint64_t, CodeTable*>& tables = *new std::unordered_map<uint64_t, CodeTable*>;

CUresult count(unsigned* out, const CodeTable& table) {
  require(out);
  require(table.complete, CUDA_ERROR_NOT_SUPPORTED);
  *out = static_cast<unsigned>(table.kernels.size());
  return CUDA_SUCCESS;
}

}  // namespace

void CodeTable::fill(Object* of, const wire::LoadReply& reply) {
  holder = of;
  id = of->id;
  is_library = of->kind == wire::Kind::library;
  complete = reply.table_complete;
  for (const wire::KernelEntry& entry : reply.kernels) add(entry);
  const std::lock_guard lock(tables_mutex);
  tables[id] = this;
}

CUfunction function_named(uint64_t id) {
  const std::lock_guard lock(tables_mutex);
  const auto found = tables.find(wire::entry_owner(id));
  if (found == tables.end()) return nullptr;
  const std::lock_guard table_lock(found->second->mutex);
  for (FunctionObject* function : found->second->kernels)
    if (function->id == id) return reinterpret_cast<CUfunction>(function);
  return nullptr;
}

FunctionObject* CodeTable::add(const wire::KernelEntry& entry) {
  auto* function = store<FunctionObject>().allocate();
  function->tag = kObjectTag;
  function->id = wire::entry_id(id, static_cast<uint32_t>(kernels.size()));
  function->context = is_library ? nullptr : home_context();
  function->owner = this;
  function->name = entry.name;
  function->params = entry.params;
  function->params_known = entry.params_known;
  function->param_bytes = 0;
  for (const wire::KernelParam& param : entry.params)
    function->param_bytes = std::max(function->param_bytes, param.offset + param.size);
  function->attributes = entry.attributes;
  function->attributes_known = !entry.attributes.empty();
  function->answers.renew();
  function->kind = wire::Kind::function;
  kernels.push_back(function);
  by_name.emplace(entry.name, function);
  return function;
}

void CodeTable::clear() {
  {
    const std::lock_guard lock(tables_mutex);
    tables.erase(id);
  }
  const std::lock_guard lock(mutex);
  for (FunctionObject* function : kernels) store<FunctionObject>().release(function);
  for (const memory::Allocation& global : globals) {
    // Where its context has ended, the address may be another's by now.
    const auto now = memory::find(global.address);
    if (!now || now->buffer_id != global.buffer_id) continue;
    if (memory::is_managed(global)) shared_pages::drop_variable(global.address, global.size);
    memory::remove(global.address);
  }
  kernels.clear();
  by_name.clear();
  globals.clear();
}

FunctionObject* CodeTable::find(const char* name) {
  require(name);
  const std::lock_guard lock(mutex);
  if (const auto found = by_name.find(name); found != by_name.end()) return found->second;
  require(!complete, CUDA_ERROR_NOT_FOUND);
  const auto index = static_cast<uint32_t>(kernels.size());
  return add(call(wire::FunctionLookup{id, is_library, index, name}).kernel);
}

void CodeTable::global(CUdeviceptr* address, size_t* size, const char* name, bool managed) {
  require(name);
  ContextObject* context = managed ? context_of_managed() : home_context();
  Request request(Opcode::ModuleGlobal, Context::any);
  request.in_context(managed ? context : current_context());
  request.fields(wire::ModuleGlobal{id, is_library, managed, name});
  const Reply reply = request.wait();
  const auto found = reply.decoder().take<wire::ModuleGlobal::Reply>();
  require(context || !found.managed, CUDA_ERROR_INVALID_CONTEXT);
  if (!memory::find(found.address)) {
    if (found.managed) shared_pages::add_variable(found.address, found.size, context, is_library);
    memory::add({.address = found.address,
                 .size = found.size,
                 .origin = found.managed ? memory::Origin::managed_variable : memory::Origin::global,
                 .context = context,
                 .device = context ? context->device : 0,
                 .outlives_context = is_library && found.managed});
    const auto added = memory::find(found.address);
    const std::lock_guard lock(mutex);
    if (added) globals.push_back(*added);
  }
  if (address) *address = found.address;
  if (size) *size = found.size;
}

void release(CUmodule module) {
  ModuleObject* object = object_of(module);
  object->table.clear();
  store<ModuleObject>().release(object);
}

void release(CUlibrary library) {
  LibraryObject* object = object_of(library);
  for (const auto& [context, in_context] : object->modules) release(in_context.module);
  object->modules.clear();
  object->table.clear();
  store<LibraryObject>().release(object);
}

namespace api {

CUresult cuModuleLoad(CUmodule* module, const char* fname) {
  return api::cuModuleLoadData(module, image::read_file(fname).data());
}

CUresult cuModuleLoadData(CUmodule* module, const void* image) { return load_module(module, image, Jit()); }

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned int numOptions,
                            CUjit_option* options, void** optionValues) {
  return load_module(module, image, Jit(numOptions, options, optionValues));
}

CUresult cuModuleLoadFatBinary(CUmodule* module, const void* fatCubin) {
  return load_module(module, fatCubin, Jit());
}

// How the runtime treats its libraries' code. Lazily, as a driver without CUDA_MODULE_LOADING says: at once,
// it would send the hundreds of megabytes of cuBLAS, of which a program uses a few kernels.
CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  require(mode);
  const char* wish = std::getenv("CUDA_MODULE_LOADING");
  const bool eager = wish && std::strcmp(wish, "EAGER") == 0;
  *mode = eager ? CU_MODULE_EAGER_LOADING : CU_MODULE_LAZY_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* hfunc, CUmodule hmod, const char* name) {
  require(hfunc);
  *hfunc = reinterpret_cast<CUfunction>(object_of(hmod)->table.find(name));
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunctionCount(unsigned int* count, CUmodule mod) {
  return shim::count(count, object_of(mod)->table);
}

CUresult cuModuleEnumerateFunctions(CUfunction* functions, unsigned int numFunctions, CUmodule mod) {
  return enumerate(functions, numFunctions, object_of(mod)->table);
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr* dptr, size_t* bytes, CUmodule hmod, const char* name) {
  object_of(hmod)->table.global(dptr, bytes, name);
  return CUDA_SUCCESS;
}

CUresult cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option* jitOptions,
                           void** jitOptionsValues, unsigned int numJitOptions,
                           CUlibraryOption* libraryOptions, void**, unsigned int numLibraryOptions) {
  check_options(libraryOptions, numLibraryOptions);
  return load_library(library, code, Jit(numJitOptions, jitOptions, jitOptionsValues));
}

CUresult cuLibraryLoadFromFile(CUlibrary* library, const char* fileName, CUjit_option* jitOptions,
                               void** jitOptionsValues, unsigned int numJitOptions,
                               CUlibraryOption* libraryOptions, void**, unsigned int numLibraryOptions) {
  check_options(libraryOptions, numLibraryOptions);
  return load_library(library, image::read_file(fileName).data(),
                      Jit(numJitOptions, jitOptions, jitOptionsValues));
}

CUresult cuLibraryGetKernel(CUkernel* pKernel, CUlibrary library, const char* name) {
  require(pKernel);
  *pKernel = reinterpret_cast<CUkernel>(object_of(library)->table.find(name));
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernelCount(unsigned int* count, CUlibrary lib) {
  return shim::count(count, object_of(lib)->table);
}

CUresult cuLibraryEnumerateKernels(CUkernel* kernels, unsigned int numKernels, CUlibrary lib) {
  return enumerate(kernels, numKernels, object_of(lib)->table);
}

CUresult cuLibraryGetModule(CUmodule* pMod, CUlibrary library) {
  require(pMod);
  LibraryObject* object = object_of(library);
  ContextObject* context = contexts::home();
  const std::lock_guard lock(object->mutex);
  LibraryObject::InContext& in_context = object->modules[context];
  if (in_context.module && in_context.ends != context->ends)  // it went with a context that was reset
    release(std::exchange(in_context.module, nullptr));
  if (!in_context.module) {
    CUmodule made = create<CUmodule>();
    ModuleObject* of = object_of(made);
    of->library = object;
    of->table.fill(of, call(wire::LibraryModule{object->id, of->id}, Context::current));
    in_context = {made, context->ends};
  }
  *pMod = in_context.module;
  return CUDA_SUCCESS;
}

CUresult cuLibraryGetManaged(CUdeviceptr* dptr, size_t* bytes, CUlibrary library, const char* name) {
  require(dptr || bytes, CUDA_ERROR_INVALID_VALUE);
  object_of(library)->table.global(dptr, bytes, name, true);
  return CUDA_SUCCESS;
}

// Such functions need a GPU that jumps to the program's own code (UNIFIED_FUNCTION_POINTERS), which is on
// another machine.
CUresult cuLibraryGetUnifiedFunction(void** fptr, CUlibrary library, const char* symbol) {
  require(fptr);
  require(symbol);
  object_of(library);
  return CUDA_ERROR_NOT_FOUND;
}

CUresult cuLibraryGetGlobal(CUdeviceptr* dptr, size_t* bytes, CUlibrary library, const char* name) {
  contexts::current();
  object_of(library)->table.global(dptr, bytes, name);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
