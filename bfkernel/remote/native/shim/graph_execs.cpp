// SPDX-License-Identifier: BSD-3-Clause
// Executable graphs. A launch is posted, one frame, unless the graph copies from the program's memory: then
// what is there now goes ahead of it.
#include <cstring>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/graph_nodes.h"
#include "shim/host_slots.h"
#include "shim/request.h"

namespace shim {

namespace graph_nodes {

void take_slots(GraphExecObject* exec, const wire::ExecSlots& slots) {
  exec->slots = slots;
  for (const wire::SlotsAfterHost& after : slots.after_host)
    host_slots::set_after_host(after.token, after.slots);
}

}  // namespace graph_nodes

namespace {

// The reply also of a call that failed, where it says why.
template <class M>
CUresult call_with_reply(const M& message, typename M::Reply& reply) {
  Request request(M::opcode, Context::any);
  request.fields(message);
  Pending pending;
  const CUresult result = request.wait(pending);
  if (!pending.payload.empty()) reply = wire::Decoder(pending.payload).take<typename M::Reply>();
  return result;
}

CUresult instantiate(CUgraphExec* out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS& params) {
  require(out);
  GraphObject* object = object_of(graph);
  const bool uploads = (params.flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0;
  const uint64_t stream = uploads ? id_of(params.hUploadStream) : 0;
  const auto exec = create<CUgraphExec>();
  wire::GraphInstantiate::Reply reply;
  CUresult result = CUDA_ERROR_UNKNOWN;
  try {
    result = call_with_reply(wire::GraphInstantiate{object->id, id_of(exec), params.flags, stream}, reply);
  } catch (const Failure& failure) {
    result = failure.result;
  }
  params.result_out = static_cast<CUgraphInstantiateResult>(reply.result);
  params.hErrNode_out = graphs::node_handle(reply.error_node, object);
  if (result != CUDA_SUCCESS) {
    release(exec);
    return result;
  }
  graph_nodes::take_slots(object_of(exec), reply.slots);
  user_objects::retain(object_of(exec)->held, object->held);
  *out = exec;
  return CUDA_SUCCESS;
}

CUresult update(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo& info) {
  GraphExecObject* object = object_of(exec);
  GraphObject* from = object_of(graph);
  wire::GraphUpdate::Reply reply;
  const CUresult result = call_with_reply(wire::GraphUpdate{object->id, from->id}, reply);
  info.result = static_cast<CUgraphExecUpdateResult>(reply.result);
  info.errorNode = graphs::node_handle(reply.error_node, from);
  info.errorFromNode = graphs::node_handle(reply.error_from_node, from);
  if (result != CUDA_SUCCESS) return result;
  graph_nodes::take_slots(object, reply.slots);
  HeldObjects before;
  before.swap(object->held);
  user_objects::retain(object->held, from->held);
  user_objects::release(before);
  return CUDA_SUCCESS;
}

}  // namespace

namespace api {

CUresult cuGraphInstantiateWithFlags(CUgraphExec* phGraphExec, CUgraph hGraph, unsigned long long flags) {
  CUDA_GRAPH_INSTANTIATE_PARAMS params{};
  params.flags = flags;
  return instantiate(phGraphExec, hGraph, params);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec* phGraphExec, CUgraph hGraph,
                                      CUDA_GRAPH_INSTANTIATE_PARAMS* instantiateParams) {
  require(instantiateParams);
  return instantiate(phGraphExec, hGraph, *instantiateParams);
}

CUresult cuGraphInstantiate_v2(CUgraphExec* phGraphExec, CUgraph hGraph, CUgraphNode* phErrorNode,
                               char* logBuffer, size_t bufferSize) {
  CUDA_GRAPH_INSTANTIATE_PARAMS params{};
  const CUresult result = instantiate(phGraphExec, hGraph, params);
  if (phErrorNode) *phErrorNode = params.hErrNode_out;
  if (logBuffer && bufferSize > 0) *logBuffer = '\0';
  return result;
}

CUresult cuGraphInstantiate(CUgraphExec* phGraphExec, CUgraph hGraph, CUgraphNode* phErrorNode,
                            char* logBuffer, size_t bufferSize) {
  return api::cuGraphInstantiate_v2(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize);
}

CUresult cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream) {
  const GraphExecObject* exec = object_of(hGraphExec);
  const uint64_t stream = id_of(hStream);
  if (!exec->slots.uploads.empty()) host_slots::send(exec->slots.uploads);
  Request request(Opcode::GraphLaunch, Context::any);
  request.in_context(context_of(hStream));
  request.fields(wire::GraphLaunch{exec->id, stream});
  request.post();
  return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec hGraphExec) {
  GraphExecObject* exec = object_of(hGraphExec);
  // What it keeps alive must outlive its last launch.
  if (!exec->held.empty()) api::cuCtxSynchronize();
  post(wire::GraphExecDestroy{exec->id});
  user_objects::release(exec->held);
  exec->slots = {};
  release(hGraphExec);
  return CUDA_SUCCESS;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
                              CUgraphExecUpdateResultInfo* resultInfo) {
  require(resultInfo);
  return update(hGraphExec, hGraph, *resultInfo);
}

CUresult cuGraphExecUpdate(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode* hErrorNode_out,
                           CUgraphExecUpdateResult* updateResult_out) {
  CUgraphExecUpdateResultInfo info{};
  const CUresult result = update(hGraphExec, hGraph, info);
  if (hErrorNode_out) *hErrorNode_out = info.errorNode;
  if (updateResult_out) *updateResult_out = info.result;
  return result;
}

// ---- the memory of graphs' allocations

// It goes back to the lease when its graphs end: nothing is kept beside that could be trimmed.
CUresult cuDeviceGraphMemTrim(CUdevice device) {
  devices::lease_ordinal(device);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void* value) {
  require(value);
  require(attr <= CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH, CUDA_ERROR_INVALID_VALUE);
  const auto use = call(wire::GraphMemoryUse{devices::lease_ordinal(device), 0});
  const bool high = attr == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH || attr == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH;
  const cuuint64_t number = high ? use.high : use.used;
  std::memcpy(value, &number, sizeof number);
  return CUDA_SUCCESS;
}

CUresult cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void* value) {
  require(value);
  const bool high = attr == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH || attr == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH;
  cuuint64_t number = 0;
  std::memcpy(&number, value, sizeof number);
  require(high && number == 0, CUDA_ERROR_INVALID_VALUE);
  call(wire::GraphMemoryUse{devices::lease_ordinal(device), 1});
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
