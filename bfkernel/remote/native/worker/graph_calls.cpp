// SPDX-License-Identifier: BSD-3-Clause
// Building graphs: nodes, edges, parameters.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "wire/launch_attributes.h"
#include "worker/graph_params.h"
#include "worker/graph_shape.h"
#include "worker/launch_attributes.h"

namespace worker {
namespace {

CUresult graph_create(Session& session, const wire::GraphCreate& message) {
  CUgraph graph = nullptr;
  const CUresult result = call(session.driver().cuGraphCreate, &graph, message.flags);
  if (result == CUDA_SUCCESS) session.graphs().add_graph(message.graph, graph, 0);
  return result;
}

CUresult graph_destroy(Session& session, const wire::GraphDestroy& message) {
  const Graphs::Graph& graph = session.graphs().graph(message.graph);
  if (graph.parent != 0 || session.graphs().is_captured_into(message.graph)) return CUDA_ERROR_INVALID_VALUE;
  const CUresult result = call(session.driver().cuGraphDestroy, graph.handle);
  session.graphs().forget_graph(message.graph);
  return result;
}

CUresult graph_clone(Session& session, const wire::GraphClone& message) {
  Graphs& graphs = session.graphs();
  CUgraph clone = nullptr;
  const CUresult result = call(session.driver().cuGraphClone, &clone, graphs.graph(message.original).handle);
  if (result != CUDA_SUCCESS) return result;
  Graphs::Holdings holdings = graphs.holdings(message.original);
  graphs.add_graph(message.clone, clone, 0);
  graphs.graph(message.clone).holdings = std::move(holdings);
  return result;
}

CUresult find_in_clone(Session& session, const wire::GraphFindInClone& message,
                       wire::GraphFindInClone::Reply& reply) {
  Graphs& graphs = session.graphs();
  const Graphs::Node original = graphs.node(message.original);
  CUgraphNode node = nullptr;
  const CUresult result = call(session.driver().cuGraphNodeFindInClone, &node, original.handle,
                               graphs.graph(message.clone).handle);
  if (result != CUDA_SUCCESS) return result;
  reply.node = graphs.name_node(node, message.clone);
  graphs.node(reply.node).memory = original.memory;
  return result;
}

// ---- nodes

CUresult add_to_driver(const DriverTable& driver, CUgraphNode* node, CUgraph graph, const Dependencies& on,
                       NodeParams& what) {
  CUgraphNodeParams& params = what.params;
  const CUgraphNode* nodes = on.nodes();
  const std::size_t count = on.count();
  if (on.edges() != nullptr || params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
    return call(driver.cuGraphAddNode_v2, node, graph, nodes, on.edges(), count, &params);
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      CUDA_KERNEL_NODE_PARAMS_v2 kernel{};
      static_assert(sizeof kernel == sizeof params.kernel);
      std::memcpy(&kernel, &params.kernel, sizeof kernel);
      return call(driver.cuGraphAddKernelNode_v2, node, graph, nodes, count, &kernel);
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return call(driver.cuGraphAddMemcpyNode, node, graph, nodes, count, &params.memcpy.copyParams,
                  what.context);
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const CUDA_MEMSET_NODE_PARAMS memset = memset_v1(params.memset);
      return call(driver.cuGraphAddMemsetNode, node, graph, nodes, count, &memset, what.context);
    }
    case CU_GRAPH_NODE_TYPE_HOST: {
      const CUDA_HOST_NODE_PARAMS host{params.host.fn, params.host.userData};
      return call(driver.cuGraphAddHostNode, node, graph, nodes, count, &host);
    }
    case CU_GRAPH_NODE_TYPE_GRAPH:
      if (params.graph.ownership != CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE)
        return call(driver.cuGraphAddNode_v2, node, graph, nodes, on.edges(), count, &params);
      return call(driver.cuGraphAddChildGraphNode, node, graph, nodes, count, params.graph.graph);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return call(driver.cuGraphAddEventWaitNode, node, graph, nodes, count, params.eventWait.event);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return call(driver.cuGraphAddEventRecordNode, node, graph, nodes, count, params.eventRecord.event);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: {
      const CUDA_BATCH_MEM_OP_NODE_PARAMS batch = batch_v1(params.memOp);
      return call(driver.cuGraphAddBatchMemOpNode, node, graph, nodes, count, &batch);
    }
    default:
      return call(driver.cuGraphAddEmptyNode, node, graph, nodes, count);
  }
}

// Memory that the node takes or gives back is ours to keep count of.
std::optional<Graphs::MemoryNode> memory_of(Session& session, const wire::GraphNode& params,
                                            Graphs::Memory& made) {
  if (params.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
    if (params.size == 0) throw CudaError{CUDA_ERROR_INVALID_VALUE};
    made = session.graphs().allocate(session.ordinal(params.device), params.size);
    return Graphs::MemoryNode{CU_GRAPH_NODE_TYPE_MEM_ALLOC, *made};
  }
  if (params.type != CU_GRAPH_NODE_TYPE_MEM_FREE) return std::nullopt;
  made = session.graphs().find_memory(params.address);
  if (made == nullptr) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  return Graphs::MemoryNode{CU_GRAPH_NODE_TYPE_MEM_FREE, *made};
}

CUresult add_node(Session& session, const wire::GraphAddNode& message, wire::GraphAddNode::Reply& reply) {
  Graphs& graphs = session.graphs();
  if (message.node < wire::kFirstClientId || message.node >= wire::kFirstServerId)
    throw wire::Malformed("a node has an id that no client chooses");
  const CUgraph graph = graphs.graph(message.graph).handle;
  const Dependencies dependencies(session, message.dependencies);
  Graphs::Memory memory;
  const auto memory_node = memory_of(session, message.params, memory);
  NodeParams params(session, message.params);
  // The driver writes where it put the bodies; its own array is read before the next call.
  CUgraphNode node = nullptr;
  const CUresult result = add_to_driver(session.driver(), &node, graph, dependencies, params);
  if (result != CUDA_SUCCESS) return result;
  graphs.add_node(message.node, node, message.graph);
  Graphs::Holdings& holdings = graphs.graph(message.graph).holdings;
  if (params.destination) holdings.slots.emplace(params.destination->id, params.destination);
  if (params.source) holdings.slots.emplace(params.source->id, params.source);
  if (memory_node) {
    graphs.node(message.node).memory = memory_node;
    holdings.memory.emplace(memory->address, memory);
    if (memory_node->type == CU_GRAPH_NODE_TYPE_MEM_FREE) holdings.freed.insert(memory->address);
    reply.address = memory->address;
  }
  if (params.params.type == CU_GRAPH_NODE_TYPE_GRAPH) {
    const Graphs::Holdings child = graphs.holdings(message.params.graph);
    graphs.graph(message.graph).holdings.add(child);
    // A graph that moved into the node is the client's own no more.
    if (message.params.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE) {
      graphs.graph(message.params.graph).parent = message.graph;
      graphs.graph(message.graph).inner.insert(message.params.graph);
      graphs.node(message.node).inner.insert(message.params.graph);
    }
  }
  if (params.params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL && params.params.conditional.phGraph_out) {
    for (std::size_t i = 0; i < params.bodies.size(); ++i)
      reply.graphs.push_back(graphs.name_inner(params.params.conditional.phGraph_out[i], message.node));
  }
  return result;
}

CUresult destroy_node(Session& session, const wire::GraphDestroyNode& message) {
  Graphs& graphs = session.graphs();
  const Graphs::Node node = graphs.node(message.node);
  std::vector<HostSlots::Handle> slots = slots_of(session, node.handle);
  const CUresult result = call(session.driver().cuGraphDestroyNode, node.handle);
  if (result != CUDA_SUCCESS) return result;
  for (const auto& slot : slots) graphs.graph(node.graph).holdings.slots.erase(slot->id);
  graphs.forget_node(message.node);
  return result;
}

CUresult node_info(Session& session, const wire::GraphNodeInfo& message, wire::GraphNodeInfo::Reply& reply) {
  const Graphs::Node& node = session.graphs().node(message.node);
  if (node.memory) {
    reply.type = static_cast<std::uint32_t>(node.memory->type);
    return CUDA_SUCCESS;
  }
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  const CUresult result = call(session.driver().cuGraphNodeGetType, node.handle, &type);
  reply.type = static_cast<std::uint32_t>(type);
  return result;
}

void get_params(Session& session, const wire::FrameHeader& request, const wire::GraphGetParams& message) {
  ShownNode shown;
  show_node(session, message.node, shown);
  session.answer(request, CUDA_SUCCESS, {encoded(wire::GraphGetParams::Reply{shown.message})});
}

// ---- questions about the whole

CUresult graph_nodes(Session& session, const wire::GraphNodes& message, wire::GraphNodes::Reply& reply) {
  const CUgraph graph = session.graphs().graph(message.graph).handle;
  const DriverTable& driver = session.driver();
  const auto ask = message.roots_only != 0 ? driver.cuGraphGetRootNodes : driver.cuGraphGetNodes;
  std::vector<CUgraphNode> nodes;
  const CUresult result =
      list_nodes([&](CUgraphNode* to, std::size_t* count) { return call(ask, graph, to, count); }, nodes);
  for (CUgraphNode node : nodes) reply.nodes.push_back(session.graphs().name_node(node, message.graph));
  return result;
}

CUresult graph_edges(Session& session, const wire::GraphEdges& message, wire::GraphEdges::Reply& reply) {
  Graphs& graphs = session.graphs();
  std::vector<Edge> edges;
  const CUresult result = list_edges(session.driver(), graphs.graph(message.graph).handle, edges);
  for (const Edge& edge : edges)
    reply.edges.push_back({graphs.name_node(edge.from, message.graph),
                           graphs.name_node(edge.to, message.graph), to_wire(edge.data)});
  return result;
}

CUresult neighbours(Session& session, const wire::GraphNeighbours& message,
                    wire::GraphNeighbours::Reply& reply) {
  Graphs& graphs = session.graphs();
  const Graphs::Node node = graphs.node(message.node);
  std::vector<Edge> edges;
  const CUresult result = list_neighbours(session.driver(), node.handle, message.dependents != 0, edges);
  for (const Edge& edge : edges)
    reply.nodes.push_back(
        {graphs.name_node(message.dependents != 0 ? edge.to : edge.from, node.graph), to_wire(edge.data)});
  return result;
}

CUresult change_edges(Session& session, const wire::GraphChangeEdges& message) {
  Graphs& graphs = session.graphs();
  const CUgraph graph = graphs.graph(message.graph).handle;
  std::vector<CUgraphNode> from, to;
  std::vector<CUgraphEdgeData> data;
  bool plain = true;
  for (const wire::GraphEdge& edge : message.edges) {
    from.push_back(graphs.node(edge.from).handle);
    to.push_back(graphs.node(edge.to).handle);
    data.push_back(from_wire(edge.edge));
    plain = plain && edge.edge == wire::EdgeData{};
  }
  const DriverTable& driver = session.driver();
  const bool remove = message.remove != 0;
  if (plain)
    return call(remove ? driver.cuGraphRemoveDependencies : driver.cuGraphAddDependencies, graph, from.data(),
                to.data(), from.size());
  return call(remove ? driver.cuGraphRemoveDependencies_v2 : driver.cuGraphAddDependencies_v2, graph,
              from.data(), to.data(), data.data(), from.size());
}

CUresult kernel_attribute(Session& session, const wire::GraphKernelAttribute& message,
                          wire::GraphKernelAttribute::Reply& reply) {
  const CUgraphNode node = session.graphs().node(message.node).handle;
  const DriverTable& driver = session.driver();
  if (message.set != 0) {
    const CUlaunchAttribute attribute = attribute_from_wire(session, message.attribute);
    return call(driver.cuGraphKernelNodeSetAttribute, node, attribute.id, &attribute.value);
  }
  const wire::AttributeValue holds = wire::attribute_value(message.attribute.id);
  if (holds != wire::AttributeValue::numbers && holds != wire::AttributeValue::window)
    return CUDA_ERROR_INVALID_VALUE;
  CUlaunchAttributeValue value{};
  const CUresult result = call(driver.cuGraphKernelNodeGetAttribute, node,
                               static_cast<CUkernelNodeAttrID>(message.attribute.id), &value);
  reply.attribute.id = message.attribute.id;
  std::memcpy(reply.attribute.value.data(), &value, sizeof value);
  return result;
}

// The driver writes files; here it writes one in memory, whose text the client gets.
CUresult graph_dot(Session& session, const wire::GraphDot& message, wire::GraphDot::Reply& reply) {
  const CUgraph graph = session.graphs().graph(message.graph).handle;
  const int file = memfd_create("graph", MFD_CLOEXEC);
  if (file < 0) return CUDA_ERROR_OPERATING_SYSTEM;
  const std::string path = "/proc/self/fd/" + std::to_string(file);
  const CUresult result = call(session.driver().cuGraphDebugDotPrint, graph, path.c_str(), message.flags);
  std::array<char, 4096> piece;
  lseek(file, 0, SEEK_SET);
  for (ssize_t got; (got = read(file, piece.data(), piece.size())) > 0;)
    reply.text.append(piece.data(), static_cast<std::size_t>(got));
  close(file);
  return result;
}

CUresult conditional_handle(Session& session, const wire::GraphConditionalHandle& message,
                            wire::GraphConditionalHandle::Reply& reply) {
  CUgraphConditionalHandle handle = 0;
  const CUresult result = call(session.driver().cuGraphConditionalHandleCreate, &handle,
                               session.graphs().graph(message.graph).handle, session.current().handle,
                               message.default_value, message.flags);
  reply.handle = handle;
  return result;
}

CUresult memory_use(Session& session, const wire::GraphMemoryUse& message,
                    wire::GraphMemoryUse::Reply& reply) {
  Graphs::Use& use = session.graphs().use(session.ordinal(message.device));
  if (message.reset_high != 0) use.high = use.used;
  reply = {use.used, use.high};
  return CUDA_SUCCESS;
}

}  // namespace

void add_graph_calls(CallTable& table) {
  table.serve<&graph_create>(wire::Opcode::GraphCreate);
  table.serve<&graph_destroy>(wire::Opcode::GraphDestroy);
  table.serve<&graph_clone>(wire::Opcode::GraphClone);
  table.serve<&find_in_clone>(wire::Opcode::GraphFindInClone);
  table.serve<&add_node>(wire::Opcode::GraphAddNode);
  table.serve<&destroy_node>(wire::Opcode::GraphDestroyNode);
  table.serve<&node_info>(wire::Opcode::GraphNodeInfo);
  table.serve<&get_params>(wire::Opcode::GraphGetParams);
  table.serve<&graph_nodes>(wire::Opcode::GraphNodes);
  table.serve<&graph_edges>(wire::Opcode::GraphEdges);
  table.serve<&neighbours>(wire::Opcode::GraphNeighbours);
  table.serve<&change_edges>(wire::Opcode::GraphChangeEdges);
  table.serve<&kernel_attribute>(wire::Opcode::GraphKernelAttribute);
  table.serve<&graph_dot>(wire::Opcode::GraphDot);
  table.serve<&conditional_handle>(wire::Opcode::GraphConditionalHandle);
  table.serve<&memory_use>(wire::Opcode::GraphMemoryUse);
}

}  // namespace worker
