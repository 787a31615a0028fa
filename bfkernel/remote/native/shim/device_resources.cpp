// SPDX-License-Identifier: BSD-3-Clause
// Parts of a device, as programs divide it for green contexts. The driver's own bytes in a CUdevResource stay
// in the worker: here they are the number under which it keeps them.
#include <algorithm>
#include <cstring>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/request.h"
#include "wire/green_messages.h"

namespace shim {
namespace {

// What stands in the struct's private bytes.
struct Mark {
  uint64_t tag = kObjectTag;
  uint64_t id = 0;
};
static_assert(sizeof(Mark) <= sizeof CUdevResource{}._internal_padding);

CUdevResource from_wire(const wire::DeviceResource& from) {
  CUdevResource to{};
  to.type = static_cast<CUdevResourceType>(from.type);
  if (to.type == CU_DEV_RESOURCE_TYPE_INVALID) return to;
  const Mark mark{.id = from.id};
  std::memcpy(to._internal_padding, &mark, sizeof mark);
  const auto& shown = from.shown;
  if (to.type == CU_DEV_RESOURCE_TYPE_SM) to.sm = {shown[0], shown[1], shown[2], shown[3], shown[4]};
  if (to.type == CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG)
    to.wqConfig = {devices::visible_ordinal(static_cast<int>(shown[0])), shown[1],
                   static_cast<CUdevWorkqueueConfigScope>(shown[2])};
  return to;
}

// Of the fields that the program sees it may set those of a work queue's configuration.
wire::DeviceResource to_wire(const CUdevResource& from) {
  require(from.type != CU_DEV_RESOURCE_TYPE_INVALID, CUDA_ERROR_INVALID_RESOURCE_TYPE);
  Mark mark;
  std::memcpy(&mark, from._internal_padding, sizeof mark);
  require(mark.tag == kObjectTag, CUDA_ERROR_INVALID_VALUE);
  wire::DeviceResource to{mark.id, static_cast<uint32_t>(from.type), {}};
  if (from.type == CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG)
    to.shown = {0, from.wqConfig.wqConcurrencyLimit, static_cast<uint32_t>(from.wqConfig.sharingScope)};
  return to;
}

CUresult get(CUdevResource* resource, wire::ResourceOf::Whose whose, uint64_t id, CUdevResourceType type,
             Context need = Context::any) {
  require(resource);
  *resource = from_wire(call(wire::ResourceOf{whose, id, static_cast<uint32_t>(type)}, need).resource);
  return CUDA_SUCCESS;
}

// What a split returned, where the program has room for it.
template <class Reply>
void hand_out(const Reply& reply, CUdevResource* result, size_t room, CUdevResource* remainder) {
  for (size_t i = 0; result && i < std::min(room, reply.made.size()); ++i)
    result[i] = from_wire(reply.made[i]);
  if (remainder) *remainder = from_wire(reply.rest);
}

}  // namespace

namespace api {

using Whose = wire::ResourceOf::Whose;

CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource* resource, CUdevResourceType type) {
  return get(resource, Whose::device, static_cast<uint64_t>(devices::lease_ordinal(device)), type);
}

CUresult cuCtxGetDevResource(CUcontext hCtx, CUdevResource* resource, CUdevResourceType type) {
  return get(resource, Whose::context, id_of(hCtx), type);
}

CUresult cuGreenCtxGetDevResource(CUgreenCtx hCtx, CUdevResource* resource, CUdevResourceType type) {
  return get(resource, Whose::green_context, id_of(hCtx), type);
}

CUresult cuStreamGetDevResource(CUstream hStream, CUdevResource* resource, CUdevResourceType type) {
  return get(resource, Whose::stream, id_of(hStream), type, Context::current);
}

CUresult cuDevSmResourceSplitByCount(CUdevResource* result, unsigned int* nbGroups,
                                     const CUdevResource* input, CUdevResource* remainder, unsigned int flags,
                                     unsigned int minCount) {
  require(nbGroups);
  require(input);
  const unsigned room = result ? *nbGroups : 0;
  const auto reply = call(wire::ResourceSplitByCount{to_wire(*input), room, flags, minCount,
                                                     result != nullptr, remainder != nullptr});
  hand_out(reply, result, room, remainder);
  *nbGroups = reply.groups;
  return CUDA_SUCCESS;
}

CUresult cuDevSmResourceSplit(CUdevResource* result, unsigned int nbGroups, const CUdevResource* input,
                              CUdevResource* remainder, unsigned int flags,
                              CU_DEV_SM_RESOURCE_GROUP_PARAMS* groupParams) {
  require(input);
  require(groupParams);
  require(nbGroups <= wire::kMostResourceGroups, CUDA_ERROR_INVALID_VALUE);
  wire::ResourceSplit message{to_wire(*input), flags, result != nullptr, remainder != nullptr, {}};
  message.groups.resize(nbGroups);
  const size_t bytes = nbGroups * sizeof *groupParams;
  if (bytes > 0) std::memcpy(message.groups.data(), groupParams, bytes);
  const auto reply = call(message);
  require(reply.groups.size() == nbGroups, CUDA_ERROR_UNKNOWN);
  if (bytes > 0) std::memcpy(groupParams, reply.groups.data(), bytes);
  hand_out(reply, result, nbGroups, remainder);
  return CUDA_SUCCESS;
}

CUresult cuDevResourceGenerateDesc(CUdevResourceDesc* phDesc, CUdevResource* resources,
                                   unsigned int nbResources) {
  require(phDesc);
  require(resources && nbResources > 0 && nbResources <= wire::kMostResourceGroups, CUDA_ERROR_INVALID_VALUE);
  wire::ResourceDescribe message;
  for (unsigned i = 0; i < nbResources; ++i) message.resources.push_back(to_wire(resources[i]));
  const CUdevResourceDesc made = create<CUdevResourceDesc>();
  message.description = id_of(made);
  try {
    call_plain(message);
  } catch (const Failure&) {
    release(made);
    throw;
  }
  *phDesc = made;
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
