// SPDX-License-Identifier: BSD-3-Clause
// Executable graphs: making, changing, launching them.
#include <algorithm>
#include <cstring>

#include "worker/graph_params.h"
#include "worker/graph_shape.h"

namespace worker {
namespace {

CUgraphExec exec_of(Session& session, std::uint64_t id) {
  session.graphs().exec(id);
  return session.handle<CUgraphExec>(wire::Kind::graph_exec, id);
}

std::vector<std::uint64_t> uploads(const Graphs::Holdings& holdings) {
  std::vector<std::uint64_t> found;
  for (const auto& [id, slot] : holdings.slots)
    if (!slot->to_client) found.push_back(id);
  return found;
}

// A graph that copies nothing from or to the program is not looked through.
wire::ExecSlots exec_slots(Session& session, const Graphs::Exec& exec, CUgraph graph) {
  if (exec.holdings.slots.empty()) return {};
  return {uploads(exec.holdings), relate_host_functions(session, graph)};
}

// The reply of a call that may say why it failed.
template <class Reply>
void answer_either_way(Session& session, const wire::FrameHeader& request, CUresult result,
                       const Reply& reply) {
  session.answer(request, result, {encoded(reply)});
}

void instantiate(Session& session, const wire::FrameHeader& request, const wire::GraphInstantiate& message) {
  Graphs& graphs = session.graphs();
  const CUgraph graph = graphs.graph(message.graph).handle;
  const DriverTable& driver = session.driver();
  CUgraphExec exec = nullptr;
  CUDA_GRAPH_INSTANTIATE_PARAMS params{};
  params.flags = message.flags;
  if ((message.flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0)
    params.hUploadStream = session.handle<CUstream>(wire::Kind::stream, message.upload_stream);
  const CUresult result = driver.cuGraphInstantiateWithParams != nullptr
                              ? call(driver.cuGraphInstantiateWithParams, &exec, graph, &params)
                              : call(driver.cuGraphInstantiateWithFlags, &exec, graph,
                                     static_cast<unsigned long long>(message.flags));
  wire::GraphInstantiate::Reply reply;
  reply.result = static_cast<std::uint32_t>(params.result_out);
  reply.error_node = graphs.name_node(params.hErrNode_out, message.graph);
  if (result == CUDA_SUCCESS) {
    graphs.add_exec(message.exec, exec, graphs.holdings(message.graph));
    reply.slots = exec_slots(session, graphs.exec(message.exec), graph);
  }
  answer_either_way(session, request, result, reply);
}

CUresult update_driver(Session& session, CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo& info) {
  const DriverTable& driver = session.driver();
  if (driver.cuGraphExecUpdate_v2 != nullptr) return call(driver.cuGraphExecUpdate_v2, exec, graph, &info);
  return call(driver.cuGraphExecUpdate, exec, graph, &info.errorNode, &info.result);
}

void update(Session& session, const wire::FrameHeader& request, const wire::GraphUpdate& message) {
  Graphs& graphs = session.graphs();
  const CUgraph graph = graphs.graph(message.graph).handle;
  CUgraphExecUpdateResultInfo info{};
  const CUresult result = update_driver(session, exec_of(session, message.exec), graph, info);
  wire::GraphUpdate::Reply reply;
  reply.result = static_cast<std::uint32_t>(info.result);
  reply.error_node = graphs.name_node(info.errorNode, message.graph);
  reply.error_from_node = graphs.name_node(info.errorFromNode, message.graph);
  if (result == CUDA_SUCCESS) {
    Graphs::Exec& exec = graphs.exec(message.exec);
    exec.holdings = graphs.holdings(message.graph);
    exec.changed.clear();
    reply.slots = exec_slots(session, exec, graph);
  }
  answer_either_way(session, request, result, reply);
}

CUresult exec_destroy(Session& session, const wire::GraphExecDestroy& message) {
  const CUresult result = call(session.driver().cuGraphExecDestroy, exec_of(session, message.exec));
  session.graphs().forget_exec(message.exec);
  return result;
}

// ---- parameters

CUresult set_in_graph(const DriverTable& driver, CUgraphNode node, NodeParams& what) {
  CUgraphNodeParams& params = what.params;
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      CUDA_KERNEL_NODE_PARAMS_v2 kernel{};
      std::memcpy(&kernel, &params.kernel, sizeof kernel);
      return call(driver.cuGraphKernelNodeSetParams_v2, node, &kernel);
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return call(driver.cuGraphMemcpyNodeSetParams, node, &params.memcpy.copyParams);
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const CUDA_MEMSET_NODE_PARAMS memset = memset_v1(params.memset);
      return call(driver.cuGraphMemsetNodeSetParams, node, &memset);
    }
    case CU_GRAPH_NODE_TYPE_HOST: {
      const CUDA_HOST_NODE_PARAMS host{params.host.fn, params.host.userData};
      return call(driver.cuGraphHostNodeSetParams, node, &host);
    }
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return call(driver.cuGraphEventWaitNodeSetEvent, node, params.eventWait.event);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return call(driver.cuGraphEventRecordNodeSetEvent, node, params.eventRecord.event);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: {
      const CUDA_BATCH_MEM_OP_NODE_PARAMS batch = batch_v1(params.memOp);
      return call(driver.cuGraphBatchMemOpNodeSetParams, node, &batch);
    }
    default:
      return call(driver.cuGraphNodeSetParams, node, &params);
  }
}

CUresult set_in_exec(const DriverTable& driver, CUgraphExec exec, CUgraphNode node, NodeParams& what) {
  CUgraphNodeParams& params = what.params;
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      CUDA_KERNEL_NODE_PARAMS_v2 kernel{};
      std::memcpy(&kernel, &params.kernel, sizeof kernel);
      return call(driver.cuGraphExecKernelNodeSetParams_v2, exec, node, &kernel);
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return call(driver.cuGraphExecMemcpyNodeSetParams, exec, node, &params.memcpy.copyParams, what.context);
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const CUDA_MEMSET_NODE_PARAMS memset = memset_v1(params.memset);
      return call(driver.cuGraphExecMemsetNodeSetParams, exec, node, &memset, what.context);
    }
    case CU_GRAPH_NODE_TYPE_HOST: {
      const CUDA_HOST_NODE_PARAMS host{params.host.fn, params.host.userData};
      return call(driver.cuGraphExecHostNodeSetParams, exec, node, &host);
    }
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return call(driver.cuGraphExecChildGraphNodeSetParams, exec, node, params.graph.graph);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return call(driver.cuGraphExecEventWaitNodeSetEvent, exec, node, params.eventWait.event);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return call(driver.cuGraphExecEventRecordNodeSetEvent, exec, node, params.eventRecord.event);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: {
      const CUDA_BATCH_MEM_OP_NODE_PARAMS batch = batch_v1(params.memOp);
      return call(driver.cuGraphExecBatchMemOpNodeSetParams, exec, node, &batch);
    }
    default:
      return call(driver.cuGraphExecNodeSetParams, exec, node, &params);
  }
}

void hold(Graphs::Holdings& holdings, const NodeParams& params) {
  if (params.destination) holdings.slots.emplace(params.destination->id, params.destination);
  if (params.source) holdings.slots.emplace(params.source->id, params.source);
}

// A copy of an executable graph had other slots before, the graph's or those of an earlier change.
void change_slots(Session& session, Graphs::Exec& exec, std::uint64_t id, CUgraphNode node,
                  const NodeParams& params) {
  if (const auto changed = exec.changed.find(id); changed != exec.changed.end()) {
    exec.holdings.slots.erase(changed->second.first);
    exec.holdings.slots.erase(changed->second.second);
  } else {
    for (const auto& slot : slots_of(session, node)) exec.holdings.slots.erase(slot->id);
  }
  exec.changed[id] = {params.destination ? params.destination->id : 0, params.source ? params.source->id : 0};
  hold(exec.holdings, params);
}

void set_params(Session& session, const wire::FrameHeader& request, const wire::GraphSetParams& message) {
  Graphs& graphs = session.graphs();
  const Graphs::Node node = graphs.node(message.node);
  if (node.memory) return session.answer(request, CUDA_ERROR_INVALID_VALUE);
  const CUgraphExec handle = message.exec != 0 ? exec_of(session, message.exec) : nullptr;
  NodeParams params(session, message.params);
  if (handle == nullptr) {
    const std::vector<HostSlots::Handle> before = slots_of(session, node.handle);
    const CUresult result = set_in_graph(session.driver(), node.handle, params);
    if (result != CUDA_SUCCESS) return session.answer(request, result);
    if (params.params.type == CU_GRAPH_NODE_TYPE_GRAPH) graphs.forget_inner(message.node);
    Graphs::Holdings& holdings = graphs.graph(node.graph).holdings;
    for (const auto& slot : before) holdings.slots.erase(slot->id);
    hold(holdings, params);
    return session.answer(request, result);
  }
  const CUresult result = set_in_exec(session.driver(), handle, node.handle, params);
  if (result != CUDA_SUCCESS) return session.answer(request, result);
  Graphs::Exec& exec = graphs.exec(message.exec);
  if (params.params.type == CU_GRAPH_NODE_TYPE_GRAPH)
    exec.holdings.add(graphs.holdings(message.params.graph));
  if (params.params.type == CU_GRAPH_NODE_TYPE_MEMCPY)
    change_slots(session, exec, message.node, node.handle, params);
  const wire::ExecSlots slots = exec_slots(session, exec, graphs.graph(node.graph).handle);
  session.answer(request, result, {encoded(slots)});
}

// ---- launches

CUresult launch(Session& session, const wire::GraphLaunch& message) {
  Graphs& graphs = session.graphs();
  const CUgraphExec handle = exec_of(session, message.exec);
  const Graphs::Exec& exec = graphs.exec(message.exec);
  const auto stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  const DriverTable& driver = session.driver();
  // In a stream that captures, the graph becomes a part of another.
  const std::uint64_t captured = graphs.capturing() ? graphs.captured_by(stream) : 0;
  const CUresult result = call(driver.cuGraphLaunch, handle, stream);
  if (result != CUDA_SUCCESS) return result;
  if (captured != 0) {
    graphs.graph(captured).holdings.add(exec.holdings);
    return result;
  }
  graphs.launched(exec);
  if (exec.holdings.slots.empty()) return result;
  std::vector<HostSlots::Handle> slots;
  for (const auto& [id, slot] : exec.holdings.slots) slots.push_back(slot);
  const Context& context = session.current();
  CUevent done = context.events->take();
  const CUresult recorded = call(driver.cuEventRecord, done, stream);
  if (recorded == CUDA_SUCCESS)
    graphs.slots().launched({done, context.events, context.home, message.exec, stream, std::move(slots)});
  return recorded;
}

CUresult slot_contents(Session& session, const wire::SlotContents& message) {
  const HostSlots::Handle slot = session.graphs().slots().find(message.slot);
  if (slot == nullptr) return CUDA_ERROR_INVALID_VALUE;
  if (slot->to_client || message.offset > slot->size || message.bytes.size() > slot->size - message.offset)
    return CUDA_ERROR_INVALID_VALUE;
  if (!message.bytes.empty())
    std::memcpy(slot->memory->data() + message.offset, message.bytes.data(), message.bytes.size());
  return CUDA_SUCCESS;
}

}  // namespace

void add_graph_exec_calls(CallTable& table) {
  table.serve<&instantiate>(wire::Opcode::GraphInstantiate);
  table.serve<&update>(wire::Opcode::GraphUpdate);
  table.serve<&exec_destroy>(wire::Opcode::GraphExecDestroy);
  table.serve<&set_params>(wire::Opcode::GraphSetParams);
  table.serve<&launch>(wire::Opcode::GraphLaunch);
  table.serve<&slot_contents>(wire::Opcode::SlotContents);
}

}  // namespace worker
