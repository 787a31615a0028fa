// SPDX-License-Identifier: BSD-3-Clause
// Modules and libraries. Loading compiles, so it happens on lanes.
#include "wire/code_messages.h"
#include "worker/calls.h"
#include "worker/image.h"
#include "worker/jit.h"
#include "worker/kernel_table.h"

namespace worker {
namespace {

// Read out of the image where the driver does not tell (before CUDA 12.4).
ParamLayouts layouts_of(Session& session, const CodeImage& image) {
  const DriverTable& driver = session.driver();
  return driver.cuFuncGetParamInfo && driver.cuKernelGetParamInfo ? ParamLayouts{} : image.layouts();
}

// The code of a load, or null where only its name came and nothing is kept under it.
std::shared_ptr<CodeImage> code_of(Session& session, const wire::Code& code) {
  if (code.here != 0) return std::make_shared<CodeImage>(code.image, code.bytes);
  const auto kept = session.code_cache().find(code.name);
  return kept ? std::make_shared<CodeImage>(code.image, *kept) : nullptr;
}

void want_bytes(Session& session, const wire::FrameHeader& request) {
  wire::LoadReply reply;
  reply.bytes_wanted = 1;
  session.answer(request, CUDA_SUCCESS, {encoded(reply)});
}

// The name under which code that came is to be kept, after it has loaded: nobody waits for that.
std::optional<wire::Digest> new_name(const wire::Code& code) {
  if (code.named == 0 || code.here == 0) return {};
  return code.name;
}

void answer_loaded(Session& session, const wire::FrameHeader& request, const CodeOwner& owner,
                   const ParamLayouts& layouts, const Jit* jit) {
  wire::LoadReply reply;
  if (auto table = enter_kernels(session, owner, layouts)) {
    reply.table_complete = 1;
    reply.kernels = std::move(*table);
  } else {
    // FunctionLookup will ask name by name, and may need what the text says.
    session.keep_layouts(owner.id, layouts);
  }
  if (jit != nullptr) reply.report = jit->report();
  session.answer(request, CUDA_SUCCESS, {encoded(reply)});
}

void answer_failed(Session& session, const wire::FrameHeader& request, CUresult result, const Jit& jit) {
  wire::LoadReply reply;
  reply.report = jit.report();
  session.answer(request, result, {encoded(reply)});
}

void module_load(Session& session, const wire::FrameHeader& request, const wire::ModuleLoad& message) {
  session.current();
  const auto image = code_of(session, message.code);
  if (!image) return want_bytes(session, request);
  auto jit = std::make_shared<Jit>(message.jit);
  session.detach(request, [&session, request, image, jit, name = new_name(message.code), id = message.module,
                           context = session.home()] {
    CodeOwner owner{.id = id, .context = context};
    const CUresult result = call(session.driver().cuModuleLoadDataEx, &owner.module, image->data(),
                                 jit->count(), jit->names(), jit->values());
    if (result != CUDA_SUCCESS) return answer_failed(session, request, result, *jit);
    session.adopt(wire::Kind::module, id, owner.module, 0, context);
    answer_loaded(session, request, owner, layouts_of(session, *image), jit.get());
    if (name) session.code_cache().keep(*name, image->bytes());
  });
}

void library_load(Session& session, const wire::FrameHeader& request, const wire::LibraryLoad& message) {
  const auto image = code_of(session, message.code);
  if (!image) return want_bytes(session, request);
  auto jit = std::make_shared<Jit>(message.jit);
  session.detach(
      request, [&session, request, image, jit, name = new_name(message.code), id = message.library] {
        CodeOwner owner{.id = id};
        const CUresult result = call(
            session.driver().cuLibraryLoadData, &owner.library, image->data(), jit->names(), jit->values(),
            jit->count(), static_cast<CUlibraryOption*>(nullptr), static_cast<void**>(nullptr), 0u);
        if (result != CUDA_SUCCESS) return answer_failed(session, request, result, *jit);
        session.adopt(wire::Kind::library, id, owner.library, 0, 0);
        answer_loaded(session, request, owner, layouts_of(session, *image), jit.get());
        if (name) session.code_cache().keep(*name, image->bytes());
      });
}

void library_module(Session& session, const wire::FrameHeader& request, const wire::LibraryModule& message) {
  session.current();
  const auto library = session.handle<CUlibrary>(wire::Kind::library, message.library);
  CodeOwner owner{.id = message.module, .context = session.home()};
  const CUresult result = call(session.driver().cuLibraryGetModule, &owner.module, library);
  if (result != CUDA_SUCCESS) return session.answer(request, result);
  session.adopt(wire::Kind::module, owner.id, owner.module, message.library, owner.context);
  answer_loaded(session, request, owner, session.layouts(message.library), nullptr);
}

CodeOwner find_owner(Session& session, std::uint64_t id, bool is_library) {
  CodeOwner owner{
      .id = id,
      .context = session.handles().entry(is_library ? wire::Kind::library : wire::Kind::module, id).context};
  if (is_library) {
    owner.library = session.handle<CUlibrary>(wire::Kind::library, id);
  } else {
    owner.module = session.handle<CUmodule>(wire::Kind::module, id);
  }
  return owner;
}

CUresult function_lookup(Session& session, const wire::FunctionLookup& message,
                         wire::FunctionLookup::Reply& reply) {
  const CodeOwner owner = find_owner(session, message.owner, message.is_library != 0);
  if (message.index >= (1u << wire::kEntryIndexBits) - 1) return CUDA_ERROR_INVALID_VALUE;
  return enter_kernel(session, owner, message.index, message.name, session.layouts(owner.id), &reply.kernel);
}

CUresult attributes(Session& session, const wire::FunctionAttributes& message,
                    wire::FunctionAttributes::Reply& reply) {
  reply.attributes = function_attributes(session, message.function);
  return CUDA_SUCCESS;
}

CUresult find_global(const DriverTable& driver, const CodeOwner& owner, const wire::ModuleGlobal& message,
                     CUdeviceptr* address, std::size_t* size) {
  const char* name = message.name.c_str();
  if (owner.library == nullptr) return call(driver.cuModuleGetGlobal_v2, address, size, owner.module, name);
  if (message.managed != 0) return call(driver.cuLibraryGetManaged, address, size, owner.library, name);
  return call(driver.cuLibraryGetGlobal, address, size, owner.library, name);
}

bool is_managed(const DriverTable& driver, CUdeviceptr address) {
  unsigned managed = 0;
  call(driver.cuPointerGetAttribute, static_cast<void*>(&managed), CU_POINTER_ATTRIBUTE_IS_MANAGED, address);
  return managed != 0;
}

CUresult module_global(Session& session, const wire::ModuleGlobal& message,
                       wire::ModuleGlobal::Reply& reply) {
  const CodeOwner owner = find_owner(session, message.owner, message.is_library != 0);
  const DriverTable& driver = session.driver();
  CUdeviceptr address = 0;
  std::size_t size = 0;
  const CUresult result = find_global(driver, owner, message, &address, &size);
  if (result != CUDA_SUCCESS) return result;
  reply.address = address;
  reply.size = size;
  reply.managed = message.managed != 0 || is_managed(driver, address);
  // A library's managed variable is the same in all contexts and outlives them.
  std::uint64_t context = owner.context;
  if (owner.library != nullptr) context = reply.managed != 0 ? 0 : session.current().home;
  session.memory().add_foreign(message.owner, context, address, size);
  return CUDA_SUCCESS;
}

}  // namespace

void add_module_calls(CallTable& table) {
  table.serve<&module_load>(wire::Opcode::ModuleLoad);
  table.serve<&library_load>(wire::Opcode::LibraryLoad);
  table.serve<&library_module>(wire::Opcode::LibraryModule);
  table.serve<&function_lookup>(wire::Opcode::FunctionLookup);
  table.serve<&attributes>(wire::Opcode::FunctionAttributes);
  table.serve<&module_global>(wire::Opcode::ModuleGlobal);
}

}  // namespace worker
