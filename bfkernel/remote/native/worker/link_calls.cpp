// SPDX-License-Identifier: BSD-3-Clause
// Linking device code. The driver compiles here, which takes its time: everything but the beginning and the
// end happens on lanes.
#include <utility>

#include "wire/code_messages.h"
#include "worker/calls.h"
#include "worker/link.h"

namespace worker {
namespace {

std::shared_ptr<Link> find_link(Session& session, std::uint64_t id) {
  const auto found = session.links().find(id);
  if (found == session.links().end()) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
  return found->second;
}

CUresult link_create(Session& session, const wire::LinkCreate& message) {
  if (session.links().contains(message.link)) throw wire::Malformed("a new link has an id that is taken");
  const auto link = std::make_shared<Link>(message.jit);
  const CUresult result = call(session.driver().cuLinkCreate_v2, link->jit.count(), link->jit.names(),
                               link->jit.values(), &link->state);
  if (result == CUDA_SUCCESS) session.links().emplace(message.link, link);
  return result;
}

bool known_input(std::uint32_t type) { return type < CU_JIT_NUM_INPUT_TYPES; }

void link_add_data(Session& session, const wire::FrameHeader& request, const wire::LinkAddData& message) {
  const auto link = find_link(session, message.link);
  if (!known_input(message.type)) return session.answer(request, CUDA_ERROR_INVALID_VALUE);
  // PTX is text to the driver, and ends with a NUL whatever the client sent.
  auto data = std::make_shared<std::vector<std::byte>>(message.data.begin(), message.data.end());
  const bool text = message.type == CU_JIT_INPUT_PTX;
  if (text) data->push_back(std::byte{0});
  session.detach(request, [&session, request, link, data, type = message.type, name = message.name,
                           options = message.jit] {
    const std::lock_guard lock(link->mutex);
    if (link->state == nullptr) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
    Jit& jit = link->inputs.emplace_back(options);
    const CUresult result = call(session.driver().cuLinkAddData_v2, link->state,
                                 static_cast<CUjitInputType>(type), static_cast<void*>(data->data()),
                                 data->size(), name.c_str(), jit.count(), jit.names(), jit.values());
    session.answer(request, result, {encoded(link->jit.report())});
  });
}

void link_complete(Session& session, const wire::FrameHeader& request, const wire::LinkComplete& message) {
  session.detach(request, [&session, request, link = find_link(session, message.link)] {
    const std::lock_guard lock(link->mutex);
    if (link->state == nullptr) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
    void* image = nullptr;
    std::size_t size = 0;
    const CUresult result = call(session.driver().cuLinkComplete, link->state, &image, &size);
    wire::LinkComplete::Reply reply{link->jit.report(), {}};
    if (result == CUDA_SUCCESS) reply.image = {static_cast<const std::byte*>(image), size};
    session.answer(request, result, {encoded(reply)});
  });
}

CUresult link_destroy(Session& session, const wire::LinkDestroy& message) {
  const auto link = find_link(session, message.link);
  session.links().erase(message.link);
  const std::lock_guard lock(link->mutex);
  return call(session.driver().cuLinkDestroy, std::exchange(link->state, nullptr));
}

}  // namespace

void add_link_calls(CallTable& table) {
  table.serve<&link_create>(wire::Opcode::LinkCreate);
  table.serve<&link_add_data>(wire::Opcode::LinkAddData);
  table.serve<&link_complete>(wire::Opcode::LinkComplete);
  table.serve<&link_destroy>(wire::Opcode::LinkDestroy);
}

}  // namespace worker
