// SPDX-License-Identifier: BSD-3-Clause
// Graphs as a whole: their making, their nodes and edges.
#include "shim/graphs.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <mutex>
#include <unordered_map>

#include "shim/api.h"
#include "shim/request.h"

namespace shim::graphs {
namespace {

std::recursive_mutex& mutex = *new std::recursive_mutex;
std::unordered_map<uint64_t, CUgraph>& graphs_by_id = *new std::unordered_map<uint64_t, CUgraph>;
std::unordered_map<uint64_t, CUgraphNode>& nodes_by_id = *new std::unordered_map<uint64_t, CUgraphNode>;

CUgraph add_graph(CUgraph graph, GraphObject* parent) {
  GraphObject* object = object_of(graph);
  object->parent = parent;
  if (parent) parent->inner.push_back(graph);
  graphs_by_id.emplace(object->id, graph);
  return graph;
}

CUgraphNode add_node(CUgraphNode node, GraphObject* graph) {
  GraphNodeObject* object = object_of(node);
  object->graph = graph;
  graph->nodes.push_back(node);
  nodes_by_id.emplace(object->id, node);
  return node;
}

}  // namespace

CUgraph create_graph() {
  const std::lock_guard lock(mutex);
  return add_graph(create<CUgraph>(), nullptr);
}

CUgraphNode create_node(GraphObject* graph) {
  const std::lock_guard lock(mutex);
  return add_node(create<CUgraphNode>(), graph);
}

CUgraph graph_handle(uint64_t id, GraphObject* parent) {
  if (id == wire::kNullHandle) return nullptr;
  const std::lock_guard lock(mutex);
  if (const auto found = graphs_by_id.find(id); found != graphs_by_id.end()) return found->second;
  const auto made = create<CUgraph>();
  object_of(made)->id = id;
  return add_graph(made, parent);
}

CUgraphNode node_handle(uint64_t id, GraphObject* graph) {
  if (id == wire::kNullHandle) return nullptr;
  const std::lock_guard lock(mutex);
  if (const auto found = nodes_by_id.find(id); found != nodes_by_id.end()) return found->second;
  const auto made = create<CUgraphNode>();
  object_of(made)->id = id;
  return add_node(made, graph);
}

void forget(CUgraphNode node) {
  const std::lock_guard lock(mutex);
  GraphNodeObject* object = object_of(node);
  std::erase(object->graph->nodes, node);
  nodes_by_id.erase(object->id);
  object->shown.reset();
  object->event = nullptr;
  object->graph = nullptr;
  store<GraphNodeObject>().release(object);
}

void forget(CUgraph graph) {
  const std::lock_guard lock(mutex);
  GraphObject* object = object_of(graph);
  while (!object->nodes.empty()) {
    const CUgraphNode last = object->nodes.back();
    forget(last);
  }
  while (!object->inner.empty()) {
    const CUgraph last = object->inner.back();
    object->inner.pop_back();
    forget(last);
  }
  user_objects::release(object->held);
  graphs_by_id.erase(object->id);
  object->parent = nullptr;
  store<GraphObject>().release(object);
}

wire::EdgeData to_wire(const CUgraphEdgeData& edge) {
  wire::EdgeData out{};
  static_assert(sizeof edge == sizeof out);
  std::memcpy(out.data(), &edge, sizeof edge);
  return out;
}

CUgraphEdgeData from_wire(const wire::EdgeData& edge) {
  CUgraphEdgeData out{};
  std::memcpy(&out, edge.data(), sizeof out);
  return out;
}

std::vector<wire::Dependency> dependencies(const CUgraphNode* nodes, const CUgraphEdgeData* edges,
                                           size_t count) {
  if (count > 0) require(nodes);
  std::vector<wire::Dependency> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = {id_of(nodes[i]), edges ? to_wire(edges[i]) : wire::EdgeData{}};
  return out;
}

namespace {

bool is_plain(const wire::EdgeData& edge) { return edge == wire::EdgeData{}; }

// The forms without edge data cannot tell of edges that have some.
template <class List>
void require_told(const List& list, const CUgraphEdgeData* told, bool wanted, bool knows_edges) {
  if (!wanted || (knows_edges && told)) return;
  for (const auto& item : list) require(is_plain(item.edge), CUDA_ERROR_LOSSY_QUERY);
}

CUresult list_nodes(CUgraph graph, bool roots_only, CUgraphNode* nodes, size_t* count) {
  GraphObject* object = object_of(graph);
  const auto ids = call(wire::GraphNodes{object->id, roots_only}).nodes;
  write_list(ids, nodes != nullptr, count,
             [&](size_t i, uint64_t id) { nodes[i] = node_handle(id, object); });
  return CUDA_SUCCESS;
}

CUresult list_edges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data, size_t* count,
                    bool knows_edges) {
  GraphObject* object = object_of(graph);
  const bool wanted = from && to;
  require(wanted || (!from && !to), CUDA_ERROR_INVALID_VALUE);
  const auto edges = call(wire::GraphEdges{object->id}).edges;
  require_told(edges, data, wanted, knows_edges);
  write_list(edges, wanted, count, [&](size_t i, const wire::GraphEdge& edge) {
    from[i] = node_handle(edge.from, object);
    to[i] = node_handle(edge.to, object);
    if (data) data[i] = from_wire(edge.edge);
  });
  return CUDA_SUCCESS;
}

CUresult list_neighbours(CUgraphNode node, bool dependents, CUgraphNode* nodes, CUgraphEdgeData* data,
                         size_t* count, bool knows_edges) {
  GraphNodeObject* object = object_of(node);
  const auto found = call(wire::GraphNeighbours{object->id, dependents}).nodes;
  require_told(found, data, nodes != nullptr, knows_edges);
  write_list(found, nodes != nullptr, count, [&](size_t i, const wire::Dependency& neighbour) {
    nodes[i] = node_handle(neighbour.node, object->graph);
    if (data) data[i] = from_wire(neighbour.edge);
  });
  return CUDA_SUCCESS;
}

CUresult change_edges(CUgraph graph, bool remove, const CUgraphNode* from, const CUgraphNode* to,
                      const CUgraphEdgeData* data, size_t count) {
  wire::GraphChangeEdges message{id_of(graph), remove, {}};
  if (count == 0) return CUDA_SUCCESS;
  require(from);
  require(to);
  for (size_t i = 0; i < count; ++i)
    message.edges.push_back({id_of(from[i]), id_of(to[i]), data ? to_wire(data[i]) : wire::EdgeData{}});
  call_plain(message);
  return CUDA_SUCCESS;
}

}  // namespace
}  // namespace shim::graphs

namespace shim::api {

CUresult cuGraphCreate(CUgraph* phGraph, unsigned int flags) {
  require(phGraph);
  require(flags == 0, CUDA_ERROR_INVALID_VALUE);
  const CUgraph graph = graphs::create_graph();
  post(wire::GraphCreate{id_of(graph), flags});
  *phGraph = graph;
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph hGraph) {
  const GraphObject* object = object_of(hGraph);
  require(!object->parent, CUDA_ERROR_INVALID_VALUE);
  post(wire::GraphDestroy{object->id});
  graphs::forget(hGraph);
  return CUDA_SUCCESS;
}

CUresult cuGraphClone(CUgraph* phGraphClone, CUgraph originalGraph) {
  require(phGraphClone);
  const GraphObject* original = object_of(originalGraph);
  const CUgraph clone = graphs::create_graph();
  try {
    call_plain(wire::GraphClone{id_of(clone), original->id});
  } catch (const Failure&) {
    graphs::forget(clone);
    throw;
  }
  user_objects::retain(object_of(clone)->held, original->held);
  *phGraphClone = clone;
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeFindInClone(CUgraphNode* phNode, CUgraphNode hOriginalNode, CUgraph hClonedGraph) {
  require(phNode);
  GraphObject* clone = object_of(hClonedGraph);
  *phNode = graphs::node_handle(call(wire::GraphFindInClone{id_of(hOriginalNode), clone->id}).node, clone);
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroyNode(CUgraphNode hNode) {
  call_plain(wire::GraphDestroyNode{id_of(hNode)});
  graphs::forget(hNode);
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetType(CUgraphNode hNode, CUgraphNodeType* type) {
  require(type);
  *type = static_cast<CUgraphNodeType>(call(wire::GraphNodeInfo{id_of(hNode)}).type);
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetContainingGraph(CUgraphNode hNode, CUgraph* phGraph) {
  require(phGraph);
  *phGraph = reinterpret_cast<CUgraph>(object_of(hNode)->graph);
  return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph hGraph, CUgraphNode* nodes, size_t* numNodes) {
  return graphs::list_nodes(hGraph, false, nodes, numNodes);
}

CUresult cuGraphGetRootNodes(CUgraph hGraph, CUgraphNode* rootNodes, size_t* numRootNodes) {
  return graphs::list_nodes(hGraph, true, rootNodes, numRootNodes);
}

CUresult cuGraphGetEdges(CUgraph hGraph, CUgraphNode* from, CUgraphNode* to, size_t* numEdges) {
  return graphs::list_edges(hGraph, from, to, nullptr, numEdges, false);
}

CUresult cuGraphGetEdges_v2(CUgraph hGraph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* edgeData,
                            size_t* numEdges) {
  return graphs::list_edges(hGraph, from, to, edgeData, numEdges, true);
}

CUresult cuGraphNodeGetDependencies(CUgraphNode hNode, CUgraphNode* dependencies, size_t* numDependencies) {
  return graphs::list_neighbours(hNode, false, dependencies, nullptr, numDependencies, false);
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode hNode, CUgraphNode* dependencies,
                                       CUgraphEdgeData* edgeData, size_t* numDependencies) {
  return graphs::list_neighbours(hNode, false, dependencies, edgeData, numDependencies, true);
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode hNode, CUgraphNode* dependentNodes,
                                      size_t* numDependentNodes) {
  return graphs::list_neighbours(hNode, true, dependentNodes, nullptr, numDependentNodes, false);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode hNode, CUgraphNode* dependentNodes,
                                         CUgraphEdgeData* edgeData, size_t* numDependentNodes) {
  return graphs::list_neighbours(hNode, true, dependentNodes, edgeData, numDependentNodes, true);
}

CUresult cuGraphAddDependencies(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                size_t numDependencies) {
  return graphs::change_edges(hGraph, false, from, to, nullptr, numDependencies);
}

CUresult cuGraphAddDependencies_v2(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                   const CUgraphEdgeData* edgeData, size_t numDependencies) {
  return graphs::change_edges(hGraph, false, from, to, edgeData, numDependencies);
}

CUresult cuGraphRemoveDependencies(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                   size_t numDependencies) {
  return graphs::change_edges(hGraph, true, from, to, nullptr, numDependencies);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                      const CUgraphEdgeData* edgeData, size_t numDependencies) {
  return graphs::change_edges(hGraph, true, from, to, edgeData, numDependencies);
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle* pHandle_out, CUgraph hGraph, CUcontext ctx,
                                        unsigned int defaultLaunchValue, unsigned int flags) {
  require(pHandle_out);
  Request request(Opcode::GraphConditionalHandle, Context::current);
  if (ctx) request.in_context(object_of(ctx));
  request.fields(wire::GraphConditionalHandle{id_of(hGraph), defaultLaunchValue, flags});
  const Reply reply = request.wait();
  *pHandle_out = reply.decoder().take<uint64_t>();
  return CUDA_SUCCESS;
}

// The file belongs to the program, so it is written here.
CUresult cuGraphDebugDotPrint(CUgraph hGraph, const char* path, unsigned int flags) {
  require(path);
  const std::string text = call(wire::GraphDot{id_of(hGraph), flags}).text;
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return file.fail() ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

}  // namespace shim::api
