// SPDX-License-Identifier: BSD-3-Clause
// Making streams, and what a stream is: flags and priority are known here, other attributes are the driver's.
#include <algorithm>
#include <cstring>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/launch_attributes.h"
#include "shim/modules.h"
#include "shim/move.h"
#include "shim/request.h"
#include "wire/stream_messages.h"

namespace shim {
namespace {

// The driver's own range, into which every priority is brought.
int priority_in_range(int priority) {
  const auto& device = devices::info(contexts::current()->visible_device);
  return std::clamp(priority, device.greatest_priority, device.least_priority);
}

CUresult make_stream(CUstream* stream, unsigned flags, int priority) {
  require(stream);
  require((flags & ~static_cast<unsigned>(CU_STREAM_NON_BLOCKING)) == 0, CUDA_ERROR_INVALID_VALUE);
  const int settled = priority == 0 ? 0 : priority_in_range(priority);
  CUstream made = create<CUstream>();
  StreamObject* object = object_of(made);
  object->flags = flags;
  object->priority = settled;
  try {
    Request request(settled == 0 ? Opcode::cuStreamCreate : Opcode::cuStreamCreateWithPriority,
                    Context::current);
    request.fields(object->id, flags);
    if (settled != 0) request.fields(settled);
    request.post();
  } catch (const Failure&) {
    release(made);
    throw;
  }
  if ((flags & CU_STREAM_NON_BLOCKING) != 0 && !move::moving()) streams_apart = true;
  *stream = made;
  return CUDA_SUCCESS;
}

// Null for a default stream, which has neither flags nor a priority. Throws for what is no stream.
StreamObject* own_stream(CUstream stream) {
  id_of(stream);
  const bool is_default = !stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD;
  return is_default ? nullptr : object_of(stream);
}

CUresult cluster_occupancy(wire::ClusterOccupancy::Question question, int* value, CUfunction function,
                           const CUlaunchConfig* config) {
  require(value);
  require(config);
  const wire::ClusterOccupancy message{question,
                                       id_of(function),
                                       {config->gridDimX, config->gridDimY, config->gridDimZ},
                                       {config->blockDimX, config->blockDimY, config->blockDimZ},
                                       config->sharedMemBytes,
                                       id_of(config->hStream),
                                       to_wire(config->attrs, config->numAttrs)};
  *value = call(message, Context::current).value;
  return CUDA_SUCCESS;
}

}  // namespace

namespace api {

CUresult cuStreamCreate(CUstream* phStream, unsigned int Flags) { return make_stream(phStream, Flags, 0); }

CUresult cuStreamCreateWithPriority(CUstream* phStream, unsigned int flags, int priority) {
  return make_stream(phStream, flags, priority);
}

CUresult cuStreamGetPriority(CUstream hStream, int* priority) {
  require(priority);
  const StreamObject* stream = own_stream(hStream);
  *priority = stream ? stream->priority : 0;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream hStream, unsigned int* flags) {
  require(flags);
  const StreamObject* stream = own_stream(hStream);
  *flags = stream ? stream->flags : static_cast<unsigned>(CU_STREAM_DEFAULT);
  return CUDA_SUCCESS;
}

CUresult cuStreamSetAttribute(CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue* param) {
  require(param);
  call_plain(wire::StreamSetAttribute{id_of(hStream), to_wire(attr, *param)}, Context::current);
  StreamObject* stream = own_stream(hStream);
  if (stream && attr == CU_LAUNCH_ATTRIBUTE_PRIORITY) stream->priority = priority_in_range(param->priority);
  return CUDA_SUCCESS;
}

CUresult cuStreamGetAttribute(CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue* value) {
  require(value);
  const auto reply =
      call(wire::StreamGetAttribute{id_of(hStream), static_cast<uint32_t>(attr)}, Context::current);
  std::memcpy(value, reply.attribute.value.data(), sizeof *value);
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialClusterSize(int* clusterSize, CUfunction func, const CUlaunchConfig* config) {
  return cluster_occupancy(wire::ClusterOccupancy::Question::largest_cluster, clusterSize, func, config);
}

CUresult cuOccupancyMaxActiveClusters(int* numClusters, CUfunction func, const CUlaunchConfig* config) {
  return cluster_occupancy(wire::ClusterOccupancy::Question::active_clusters, numClusters, func, config);
}

}  // namespace api
}  // namespace shim
