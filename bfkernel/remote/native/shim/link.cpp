// SPDX-License-Identifier: BSD-3-Clause
// Linking, which is also how numba and others have the driver compile PTX.
#include <cstring>

#include "shim/api.h"
#include "shim/image.h"
#include "shim/jit.h"
#include "shim/modules.h"
#include "shim/request.h"
#include "wire/code_messages.h"

namespace shim {

struct LinkObject : Object {
  Jit jit;                       // the log buffers stay the program's until the link is destroyed
  std::vector<std::byte> image;  // what cuLinkComplete handed out
};

namespace {

CUresult add(CUlinkState state, CUjitInputType type, wire::Bytes data, const char* name, unsigned count,
             CUjit_option* options, void** values) {
  const LinkObject* link = object_of(state);
  const Jit jit(count, options, values);
  Request request(Opcode::LinkAddData, Context::any);
  request.fields(
      wire::LinkAddData{link->id, static_cast<uint32_t>(type), name ? name : "", jit.wire(), data});
  Pending pending;
  const CUresult result = request.wait(pending);
  if (!pending.payload.empty()) {
    link->jit.deliver(wire::Decoder(pending.payload).take<wire::JitReport>());
  }
  return result;
}

}  // namespace

namespace api {

CUresult cuLinkCreate_v2(unsigned int numOptions, CUjit_option* options, void** optionValues,
                         CUlinkState* stateOut) {
  require(stateOut);
  CUlinkState made = create<CUlinkState>();
  LinkObject* link = object_of(made);
  link->jit = Jit(numOptions, options, optionValues);
  link->image.clear();
  call_plain(wire::LinkCreate{link->id, link->jit.wire()}, Context::current, Deferred::keep);
  *stateOut = made;
  return CUDA_SUCCESS;
}

CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void* data, size_t size, const char* name,
                          unsigned int numOptions, CUjit_option* options, void** optionValues) {
  require(data);
  wire::Bytes bytes(static_cast<const std::byte*>(data), size);
  if (const wire::Bytes inner = image::unwrapped(data, size); !inner.empty()) bytes = inner;
  return add(state, type, bytes, name, numOptions, options, optionValues);
}

CUresult cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char* path, unsigned int numOptions,
                          CUjit_option* options, void** optionValues) {
  const std::vector<char> content = image::read_file(path);
  return add(state, type, std::as_bytes(std::span(content)).first(content.size() - 64), path, numOptions,
             options, optionValues);
}

CUresult cuLinkComplete(CUlinkState state, void** cubinOut, size_t* sizeOut) {
  require(cubinOut);
  LinkObject* link = object_of(state);
  Request request(Opcode::LinkComplete, Context::any);
  request.fields(wire::LinkComplete{link->id});
  Pending pending;
  const CUresult result = request.wait(pending);
  if (!pending.payload.empty()) {
    const auto reply = wire::Decoder(pending.payload).take<wire::LinkComplete::Reply>();
    link->jit.deliver(reply.report);
    link->image.assign(reply.image.begin(), reply.image.end());
    if (sizeOut) *sizeOut = link->image.size();
    link->image.resize(link->image.size() + 1);  // PTX is handed back as text, and text ends in NUL
    *cubinOut = link->image.data();
  }
  return result;
}

CUresult cuLinkDestroy(CUlinkState state) {
  post(wire::LinkDestroy{object_of(state)->id});
  release(state);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
