// SPDX-License-Identifier: BSD-3-Clause
// Green contexts: parts of a device, and contexts that run on them.
#include <algorithm>
#include <cstring>

#include "wire/green_messages.h"
#include "worker/calls.h"

namespace worker {
namespace {

CUresult ask(Session& session, const wire::ResourceOf& message, CUdevResource* resource) {
  using Whose = wire::ResourceOf::Whose;
  const DriverTable& driver = session.driver();
  const auto type = static_cast<CUdevResourceType>(message.type);
  switch (message.whose) {
    case Whose::device:
      if (message.id >= session.gpus()) return CUDA_ERROR_INVALID_DEVICE;
      return call(driver.cuDeviceGetDevResource, session.device(static_cast<std::int32_t>(message.id)),
                  resource, type);
    case Whose::context: {
      const auto context = session.handle<CUcontext>(wire::Kind::context, message.id);
      if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
      return call(driver.cuCtxGetDevResource, context, resource, type);
    }
    case Whose::green_context: {
      const auto context = session.handle<CUgreenCtx>(wire::Kind::green_context, message.id);
      if (context == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
      return call(driver.cuGreenCtxGetDevResource, context, resource, type);
    }
    case Whose::stream:
      session.current();
      return call(driver.cuStreamGetDevResource, session.handle<CUstream>(wire::Kind::stream, message.id),
                  resource, type);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult resource_of(Session& session, const wire::ResourceOf& message, wire::ResourceOf::Reply& reply) {
  CUdevResource resource{};
  const CUresult result = ask(session, message, &resource);
  if (result == CUDA_SUCCESS) reply.resource = session.resources().keep(resource);
  return result;
}

// Room for what a split makes, and what becomes of it for the client.
struct Parts {
  explicit Parts(std::size_t groups) : made(groups) {}
  void keep(DeviceResources& resources, std::size_t count, std::vector<wire::DeviceResource>& groups,
            wire::DeviceResource& remainder) const {
    for (std::size_t i = 0; i < count; ++i) groups.push_back(resources.keep(made[i]));
    remainder = resources.keep(rest);
  }
  std::vector<CUdevResource> made;
  CUdevResource rest{};
};

CUresult split_by_count(Session& session, const wire::ResourceSplitByCount& message,
                        wire::ResourceSplitByCount::Reply& reply) {
  const CUdevResource input = session.resources().find(message.input);
  reply.groups = std::min(message.groups, wire::kMostResourceGroups);
  Parts parts(message.wants_groups != 0 ? reply.groups : 0);
  const CUresult result =
      call(session.driver().cuDevSmResourceSplitByCount,
           message.wants_groups != 0 ? parts.made.data() : nullptr, &reply.groups, &input,
           message.wants_rest != 0 ? &parts.rest : nullptr, message.flags, message.least_multiprocessors);
  if (result != CUDA_SUCCESS) return result;
  parts.keep(session.resources(), std::min<std::size_t>(reply.groups, parts.made.size()), reply.made,
             reply.rest);
  return result;
}

CUresult split_by_groups(Session& session, const wire::ResourceSplit& message,
                         wire::ResourceSplit::Reply& reply) {
  const CUdevResource input = session.resources().find(message.input);
  if (message.groups.size() > wire::kMostResourceGroups) return CUDA_ERROR_INVALID_VALUE;
  std::vector<CU_DEV_SM_RESOURCE_GROUP_PARAMS> groups(message.groups.size());
  static_assert(sizeof groups[0] == sizeof message.groups[0]);
  if (!groups.empty()) std::memcpy(groups.data(), message.groups.data(), groups.size() * sizeof groups[0]);
  Parts parts(message.wants_groups != 0 ? groups.size() : 0);
  const CUresult result =
      call(session.driver().cuDevSmResourceSplit, message.wants_groups != 0 ? parts.made.data() : nullptr,
           static_cast<unsigned>(groups.size()), &input, message.wants_rest != 0 ? &parts.rest : nullptr,
           message.flags, groups.data());
  if (result != CUDA_SUCCESS) return result;
  reply.groups.resize(groups.size());
  if (!groups.empty()) std::memcpy(reply.groups.data(), groups.data(), groups.size() * sizeof groups[0]);
  parts.keep(session.resources(), parts.made.size(), reply.made, reply.rest);
  return result;
}

CUresult describe_resources(Session& session, const wire::ResourceDescribe& message) {
  if (message.resources.size() > wire::kMostResourceGroups) return CUDA_ERROR_INVALID_VALUE;
  std::vector<CUdevResource> resources;
  for (const wire::DeviceResource& named : message.resources)
    resources.push_back(session.resources().find(named));
  CUdevResourceDesc description = nullptr;
  const CUresult result = call(session.driver().cuDevResourceGenerateDesc, &description, resources.data(),
                               static_cast<unsigned>(resources.size()));
  if (result == CUDA_SUCCESS)
    session.adopt(wire::Kind::resource_description, message.description, description, 0, 0);
  return result;
}

CUresult green_create(Session& session, const wire::GreenContextCreate& message) {
  const auto description =
      session.handle<CUdevResourceDesc>(wire::Kind::resource_description, message.description);
  if (description == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const CUdevice device = session.device(message.device);
  const Context* primary = session.primary_context(session.ordinal(message.device));
  if (primary == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
  auto context = new_context(session, message.context, message.device);
  context->home = primary->id;
  context->uploads = primary->uploads;
  context->events = primary->events;
  const DriverTable& driver = session.driver();
  const std::uint64_t before = session.card().held(device);
  CUresult result = call(driver.cuGreenCtxCreate, &context->green, description, device, message.flags);
  if (result != CUDA_SUCCESS) return result;
  const CUgreenCtx green = context->green;
  result = call(driver.cuCtxFromGreenCtx, &context->handle, green);
  if (result == CUDA_SUCCESS) result = session.enter_context(std::move(context), before);
  if (result != CUDA_SUCCESS) call(driver.cuGreenCtxDestroy, green);
  return result;
}

CUresult green_destroy(Session& session, const wire::GreenContextDestroy& message) {
  Context* context = session.find_context(message.context);
  if (context == nullptr || !context->green) return CUDA_ERROR_INVALID_CONTEXT;
  const Session::Ending ending = session.ending();
  return session.end_green_context(*context);
}

}  // namespace

void add_green_calls(CallTable& table) {
  table.serve<&resource_of>(wire::Opcode::ResourceOf);
  table.serve<&split_by_count>(wire::Opcode::ResourceSplitByCount);
  table.serve<&split_by_groups>(wire::Opcode::ResourceSplit);
  table.serve<&describe_resources>(wire::Opcode::ResourceDescribe);
  table.serve<&green_create>(wire::Opcode::GreenContextCreate);
  table.serve<&green_destroy>(wire::Opcode::GreenContextDestroy);
}

}  // namespace worker
