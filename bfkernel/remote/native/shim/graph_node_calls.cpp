// SPDX-License-Identifier: BSD-3-Clause
// Adding nodes, asking and changing what they do. CUDA has a form for each type of node and one for all of
// them; here every form becomes the one for all.
#include <cstring>

#include "shim/api.h"
#include "shim/graph_nodes.h"
#include "shim/launch_attributes.h"
#include "shim/memory.h"
#include "shim/request.h"

namespace shim::graph_nodes {
namespace {

// A node of the given type, its parameters filled in by `fill`.
template <class Fill>
CUgraphNodeParams params_of(CUgraphNodeType type, Fill&& fill) {
  CUgraphNodeParams out{};
  out.type = type;
  fill(out);
  return out;
}

// CUDA's older structures begin as the newer ones do.
template <class New, class Old>
New widened(const Old* old) {
  require(old);
  static_assert(sizeof(Old) <= sizeof(New));
  New out{};
  std::memcpy(&out, old, sizeof *old);
  return out;
}

CUgraphNodeParams kernel(const CUDA_KERNEL_NODE_PARAMS_v1* from) {
  return params_of(CU_GRAPH_NODE_TYPE_KERNEL,
                   [&](auto& to) { to.kernel = widened<CUDA_KERNEL_NODE_PARAMS_v3>(from); });
}
CUgraphNodeParams kernel(const CUDA_KERNEL_NODE_PARAMS_v2* from) {
  return params_of(CU_GRAPH_NODE_TYPE_KERNEL,
                   [&](auto& to) { to.kernel = widened<CUDA_KERNEL_NODE_PARAMS_v3>(from); });
}
CUgraphNodeParams memcpy_3d(const CUDA_MEMCPY3D* from, CUcontext context) {
  require(from);
  return params_of(CU_GRAPH_NODE_TYPE_MEMCPY, [&](auto& to) {
    to.memcpy.copyCtx = context;
    to.memcpy.copyParams = *from;
  });
}
CUgraphNodeParams memset(const CUDA_MEMSET_NODE_PARAMS* from, CUcontext context) {
  return params_of(CU_GRAPH_NODE_TYPE_MEMSET, [&](auto& to) {
    to.memset = widened<CUDA_MEMSET_NODE_PARAMS_v2>(from);
    to.memset.ctx = context;
  });
}
CUgraphNodeParams host(const CUDA_HOST_NODE_PARAMS* from) {
  require(from);
  return params_of(CU_GRAPH_NODE_TYPE_HOST, [&](auto& to) {
    to.host.fn = from->fn;
    to.host.userData = from->userData;
  });
}
CUgraphNodeParams child(CUgraph graph) {
  return params_of(CU_GRAPH_NODE_TYPE_GRAPH, [&](auto& to) { to.graph.graph = graph; });
}
CUgraphNodeParams event(CUgraphNodeType type, CUevent event) {
  return params_of(type, [&](auto& to) { to.eventWait.event = event; });
}
CUgraphNodeParams memory_operations(const CUDA_BATCH_MEM_OP_NODE_PARAMS* from) {
  return params_of(CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
                   [&](auto& to) { to.memOp = widened<CUDA_BATCH_MEM_OP_NODE_PARAMS_v2>(from); });
}

bool is_event(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_WAIT_EVENT || type == CU_GRAPH_NODE_TYPE_EVENT_RECORD;
}

// What the worker made along with a node: memory, or the graphs that a condition chooses from.
void take_made(const wire::GraphAddNode::Reply& made, CUgraphNode node, const wire::GraphNode& sent,
               ContextObject* context, CUgraphNodeParams& params) {
  GraphNodeObject* object = object_of(node);
  if (params.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
    params.alloc.dptr = made.address;
    memory::add({.address = made.address,
                 .size = sent.size,
                 .origin = memory::Origin::graph,
                 .context = context ? context->home : nullptr,
                 .device = sent.device});
  }
  if (params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
    if (!object->shown) object->shown = std::make_unique<ShownParams>();
    for (const uint64_t id : made.graphs)
      object->shown->graphs.push_back(graphs::graph_handle(id, object->graph));
    params.conditional.phGraph_out = object->shown->graphs.data();
  }
  if (params.type == CU_GRAPH_NODE_TYPE_GRAPH)
    user_objects::retain(object->graph->held, object_of(params.graph.graph)->held);
  if (is_event(params.type)) object->event = params.eventWait.event;
}

CUresult add(CUgraphNode* out, CUgraph graph, const std::vector<wire::Dependency>& dependencies,
             CUgraphNodeParams& params) {
  require(out);
  GraphObject* object = object_of(graph);
  Outgoing outgoing(params);
  const CUgraphNode node = graphs::create_node(object);
  try {
    Request request(Opcode::GraphAddNode, Context::any);
    if (outgoing.context()) request.in_context(outgoing.context());
    request.fields(object->id, id_of(node), dependencies, outgoing.node());  // GraphAddNode
    const Reply reply = request.wait(Deferred::keep);
    outgoing.keep();
    take_made(reply.decoder().take<wire::GraphAddNode::Reply>(), node, outgoing.node(), outgoing.context(),
              params);
  } catch (const Failure&) {
    graphs::forget(node);
    throw;
  }
  *out = node;
  return CUDA_SUCCESS;
}

CUresult add(CUgraphNode* out, CUgraph graph, const CUgraphNode* dependencies, size_t count,
             CUgraphNodeParams params) {
  return add(out, graph, graphs::dependencies(dependencies, nullptr, count), params);
}

CUresult set(CUgraphExec exec, CUgraphNode node, const CUgraphNodeParams& params) {
  GraphNodeObject* object = object_of(node);
  const uint64_t exec_id = exec ? id_of(exec) : 0;
  Outgoing outgoing(params);
  Request request(Opcode::GraphSetParams, Context::any);
  if (outgoing.context()) request.in_context(outgoing.context());
  request.fields(exec_id, object->id, outgoing.node());  // GraphSetParams
  const Reply reply = request.wait();
  outgoing.keep();
  if (exec)
    take_slots(object_of(exec), reply.decoder().take<wire::ExecSlots>());
  else if (is_event(params.type))
    object->event = params.eventWait.event;
  return CUDA_SUCCESS;
}

CUgraphNodeParams shown_as(CUgraphNode node, CUgraphNodeType expected) {
  const CUgraphNodeParams params = shown(object_of(node));
  require(params.type == expected, CUDA_ERROR_INVALID_VALUE);
  return params;
}

// Into an older structure, which is the newer one's beginning.
template <class Old, class New>
CUresult narrowed(Old* to, const New& from) {
  require(to);
  std::memcpy(to, &from, sizeof *to);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace shim::graph_nodes

namespace shim::api {

namespace nodes = graph_nodes;

CUresult cuGraphAddNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                        size_t numDependencies, CUgraphNodeParams* nodeParams) {
  return api::cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, nullptr, numDependencies, nodeParams);
}
CUresult cuGraphAddNode_v2(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                           const CUgraphEdgeData* dependencyData, size_t numDependencies,
                           CUgraphNodeParams* nodeParams) {
  require(nodeParams);
  return nodes::add(phGraphNode, hGraph, graphs::dependencies(dependencies, dependencyData, numDependencies),
                    *nodeParams);
}
CUresult cuGraphAddNode_v3(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                           const CUgraphEdgeData* dependencyData, size_t numDependencies,
                           CUgraphNodeParams* nodeParams) {
  return api::cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, dependencyData, numDependencies,
                                nodeParams);
}
CUresult cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams* nodeParams) {
  require(nodeParams);
  return nodes::set(nullptr, hNode, *nodeParams);
}
CUresult cuGraphNodeSetParams_v2(CUgraphNode hNode, CUgraphNodeParams* nodeParams) {
  return api::cuGraphNodeSetParams(hNode, nodeParams);
}
CUresult cuGraphNodeGetParams(CUgraphNode hNode, CUgraphNodeParams* nodeParams) {
  require(nodeParams);
  *nodeParams = nodes::shown(object_of(hNode));
  return CUDA_SUCCESS;
}
CUresult cuGraphExecNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeParams* nodeParams) {
  require(nodeParams);
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, *nodeParams);
}

// ---- kernels

CUresult cuGraphAddKernelNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                              size_t numDependencies, const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies, nodes::kernel(nodeParams));
}
CUresult cuGraphAddKernelNode_v2(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                 size_t numDependencies, const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies, nodes::kernel(nodeParams));
}
CUresult cuGraphKernelNodeGetParams(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return nodes::narrowed(nodeParams, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_KERNEL).kernel);
}
CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return nodes::narrowed(nodeParams, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_KERNEL).kernel);
}
CUresult cuGraphKernelNodeSetParams(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return nodes::set(nullptr, hNode, nodes::kernel(nodeParams));
}
CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return nodes::set(nullptr, hNode, nodes::kernel(nodeParams));
}
CUresult cuGraphExecKernelNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                        const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::kernel(nodeParams));
}
CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec hGraphExec, CUgraphNode hNode,
                                           const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::kernel(nodeParams));
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr,
                                       CUkernelNodeAttrValue* value_out) {
  require(value_out);
  wire::GraphKernelAttribute message{id_of(hNode), 0, {}};
  message.attribute.id = static_cast<uint32_t>(attr);
  const auto reply = call(message);
  std::memcpy(value_out, reply.attribute.value.data(), sizeof *value_out);
  return CUDA_SUCCESS;
}
CUresult cuGraphKernelNodeSetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr,
                                       const CUkernelNodeAttrValue* value) {
  require(value);
  call(wire::GraphKernelAttribute{id_of(hNode), 1, to_wire(attr, *value)});
  return CUDA_SUCCESS;
}

// ---- copies and fills

CUresult cuGraphAddMemcpyNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                              size_t numDependencies, const CUDA_MEMCPY3D* copyParams, CUcontext ctx) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies, nodes::memcpy_3d(copyParams, ctx));
}
CUresult cuGraphMemcpyNodeGetParams(CUgraphNode hNode, CUDA_MEMCPY3D* nodeParams) {
  return nodes::narrowed(nodeParams, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_MEMCPY).memcpy.copyParams);
}
CUresult cuGraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D* nodeParams) {
  return nodes::set(nullptr, hNode, nodes::memcpy_3d(nodeParams, nullptr));
}
CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                        const CUDA_MEMCPY3D* copyParams, CUcontext ctx) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::memcpy_3d(copyParams, ctx));
}

CUresult cuGraphAddMemsetNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                              size_t numDependencies, const CUDA_MEMSET_NODE_PARAMS* memsetParams,
                              CUcontext ctx) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies, nodes::memset(memsetParams, ctx));
}
CUresult cuGraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS* nodeParams) {
  return nodes::narrowed(nodeParams, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_MEMSET).memset);
}
CUresult cuGraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS* nodeParams) {
  return nodes::set(nullptr, hNode, nodes::memset(nodeParams, nullptr));
}
CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                        const CUDA_MEMSET_NODE_PARAMS* memsetParams, CUcontext ctx) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::memset(memsetParams, ctx));
}

// ---- functions of the program

CUresult cuGraphAddHostNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                            size_t numDependencies, const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies, nodes::host(nodeParams));
}
CUresult cuGraphHostNodeGetParams(CUgraphNode hNode, CUDA_HOST_NODE_PARAMS* nodeParams) {
  return nodes::narrowed(nodeParams, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_HOST).host);
}
CUresult cuGraphHostNodeSetParams(CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return nodes::set(nullptr, hNode, nodes::host(nodeParams));
}
CUresult cuGraphExecHostNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                      const CUDA_HOST_NODE_PARAMS* nodeParams) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::host(nodeParams));
}

// ---- graphs in graphs, and nodes that do nothing

CUresult cuGraphAddEmptyNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                             size_t numDependencies) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies,
                    nodes::params_of(CU_GRAPH_NODE_TYPE_EMPTY, [](auto&) {}));
}
CUresult cuGraphAddChildGraphNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                  size_t numDependencies, CUgraph childGraph) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies, nodes::child(childGraph));
}
CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode hNode, CUgraph* phGraph) {
  require(phGraph);
  *phGraph = nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_GRAPH).graph.graph;
  return CUDA_SUCCESS;
}
CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraph childGraph) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::child(childGraph));
}

// ---- events

CUresult cuGraphAddEventRecordNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                   size_t numDependencies, CUevent event) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies,
                    nodes::event(CU_GRAPH_NODE_TYPE_EVENT_RECORD, event));
}
CUresult cuGraphEventRecordNodeGetEvent(CUgraphNode hNode, CUevent* event_out) {
  return nodes::narrowed(event_out,
                         nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_EVENT_RECORD).eventRecord.event);
}
CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode hNode, CUevent event) {
  return nodes::set(nullptr, hNode, nodes::event(CU_GRAPH_NODE_TYPE_EVENT_RECORD, event));
}
CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::event(CU_GRAPH_NODE_TYPE_EVENT_RECORD, event));
}
CUresult cuGraphAddEventWaitNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                 size_t numDependencies, CUevent event) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies,
                    nodes::event(CU_GRAPH_NODE_TYPE_WAIT_EVENT, event));
}
CUresult cuGraphEventWaitNodeGetEvent(CUgraphNode hNode, CUevent* event_out) {
  return nodes::narrowed(event_out, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_WAIT_EVENT).eventWait.event);
}
CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode hNode, CUevent event) {
  return nodes::set(nullptr, hNode, nodes::event(CU_GRAPH_NODE_TYPE_WAIT_EVENT, event));
}
CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::event(CU_GRAPH_NODE_TYPE_WAIT_EVENT, event));
}

// ---- memory

CUresult cuGraphAddMemAllocNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                size_t numDependencies, CUDA_MEM_ALLOC_NODE_PARAMS* nodeParams) {
  auto params = nodes::params_of(CU_GRAPH_NODE_TYPE_MEM_ALLOC, [&](auto& to) {
    to.alloc = nodes::widened<CUDA_MEM_ALLOC_NODE_PARAMS_v2>(nodeParams);
  });
  const CUresult result =
      nodes::add(phGraphNode, hGraph, graphs::dependencies(dependencies, nullptr, numDependencies), params);
  nodeParams->dptr = params.alloc.dptr;
  return result;
}
CUresult cuGraphMemAllocNodeGetParams(CUgraphNode hNode, CUDA_MEM_ALLOC_NODE_PARAMS* params_out) {
  return nodes::narrowed(params_out, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_MEM_ALLOC).alloc);
}
CUresult cuGraphAddMemFreeNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                               size_t numDependencies, CUdeviceptr dptr) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies,
                    nodes::params_of(CU_GRAPH_NODE_TYPE_MEM_FREE, [&](auto& to) { to.free.dptr = dptr; }));
}
CUresult cuGraphMemFreeNodeGetParams(CUgraphNode hNode, CUdeviceptr* dptr_out) {
  return nodes::narrowed(dptr_out, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_MEM_FREE).free.dptr);
}

CUresult cuGraphAddBatchMemOpNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                  size_t numDependencies, const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return nodes::add(phGraphNode, hGraph, dependencies, numDependencies, nodes::memory_operations(nodeParams));
}
CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode hNode, CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams_out) {
  return nodes::narrowed(nodeParams_out, nodes::shown_as(hNode, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP).memOp);
}
CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode hNode, const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return nodes::set(nullptr, hNode, nodes::memory_operations(nodeParams));
}
CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                            const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  object_of(hGraphExec);
  return nodes::set(hGraphExec, hNode, nodes::memory_operations(nodeParams));
}

}  // namespace shim::api
