// SPDX-License-Identifier: BSD-3-Clause
// The structure of graphs: making, copying and asking.
#include <algorithm>

#include "graph.h"

using namespace softgpu::driver;

namespace {

// CUDA's lists: without room, their length; with it, as many as fit, and nothing behind them.
template <typename Item, typename Put, typename Clear>
void list(const std::vector<Item>& items, size_t* count, bool room, Put&& put, Clear&& clear) {
  require(count != nullptr);
  if (room) {
    for (size_t i = 0; i < std::min(*count, items.size()); ++i) put(i, items[i]);
    for (size_t i = items.size(); i < *count; ++i) clear(i);
  }
  if (!room || *count > items.size()) *count = items.size();
}

void list_nodes(const std::vector<Node*>& nodes, CUgraphNode* out, size_t* count) {
  list(
      nodes, count, out != nullptr, [&](size_t i, Node* node) { out[i] = node->handle(); },
      [&](size_t i) { out[i] = nullptr; });
}

bool is_plain(const CUgraphEdgeData& data) { return !data.from_port && !data.to_port && !data.type; }

struct Pair {
  Node* from;
  Node* to;
  CUgraphEdgeData data;
};

// Edges as arrays of their ends and of what is told about them. Older forms cannot tell.
void list_pairs(const std::vector<Pair>& pairs, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data,
                size_t* count) {
  bool room = from != nullptr || to != nullptr;
  if (room && !data) {
    for (const Pair& pair : pairs) require(is_plain(pair.data), CUDA_ERROR_LOSSY_QUERY);
  }
  list(
      pairs, count, room,
      [&](size_t i, const Pair& pair) {
        if (from) from[i] = pair.from->handle();
        if (to) to[i] = pair.to->handle();
        if (data) data[i] = pair.data;
      },
      [&](size_t i) {
        if (from) from[i] = nullptr;
        if (to) to[i] = nullptr;
        if (data) data[i] = {};
      });
}

std::vector<Pair> dependencies_of(Node& node) {
  std::vector<Pair> pairs;
  for (const Edge& edge : node.dependencies) pairs.push_back({edge.from, &node, edge.data});
  return pairs;
}

std::vector<Pair> dependents_of(Node& node) {
  std::vector<Pair> pairs;
  for (Node* next : node.dependents) {
    for (const Pair& pair : dependencies_of(*next)) {
      if (pair.from == &node) pairs.push_back(pair);
    }
  }
  return pairs;
}

template <typename Each>
CUresult for_each_pair(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, size_t count,
                       Each&& each) {
  return with_graphs([&] {
    std::shared_ptr<Graph> target = graph_of(graph);
    require(count == 0 || (from != nullptr && to != nullptr));
    for (size_t i = 0; i < count; ++i) {
      std::shared_ptr<Node> ends[2] = {node_of(from[i]), node_of(to[i])};
      require(&ends[0]->graph == target.get() && &ends[1]->graph == target.get());
      each(*target, *ends[0], *ends[1], i);
    }
  });
}

}  // namespace

SOFTGPU_API cuGraphCreate(CUgraph* phGraph, unsigned int flags) {
  return with_graphs([&] {
    require(phGraph != nullptr && flags == 0);
    *phGraph = Graph::create(GraphOwner::program)->handle();
  });
}

SOFTGPU_API cuGraphDestroy(CUgraph hGraph) {
  return with_graphs([&] {
    std::shared_ptr<Graph> graph = graph_of(hGraph);
    require(graph->owner == GraphOwner::program && !graph->capturing);
    retire(*graph);
  });
}

SOFTGPU_API cuGraphClone(CUgraph* phGraphClone, CUgraph originalGraph) {
  return with_graphs([&] {
    require(phGraphClone != nullptr);
    *phGraphClone = graph_of(originalGraph)->clone(GraphOwner::program)->handle();
  });
}

SOFTGPU_API cuGraphNodeFindInClone(CUgraphNode* phNode, CUgraphNode hOriginalNode, CUgraph hClonedGraph) {
  return with_graphs([&] {
    require(phNode != nullptr);
    Node* found = graph_of(hClonedGraph)->find_clone(node_of(hOriginalNode)->id);
    require(found != nullptr);
    *phNode = found->handle();
  });
}

SOFTGPU_API cuGraphGetId(CUgraph hGraph, unsigned int* graphId) {
  return with_graphs([&] {
    require(graphId != nullptr);
    *graphId = graph_of(hGraph)->id;
  });
}

SOFTGPU_API cuGraphGetNodes(CUgraph hGraph, CUgraphNode* nodes, size_t* numNodes) {
  return with_graphs([&] {
    std::vector<Node*> all;
    for (const auto& node : graph_of(hGraph)->nodes()) all.push_back(node.get());
    list_nodes(all, nodes, numNodes);
  });
}

SOFTGPU_API cuGraphGetRootNodes(CUgraph hGraph, CUgraphNode* rootNodes, size_t* numRootNodes) {
  return with_graphs([&] {
    std::vector<Node*> roots;
    for (const auto& node : graph_of(hGraph)->nodes()) {
      if (node->dependencies.empty()) roots.push_back(node.get());
    }
    list_nodes(roots, rootNodes, numRootNodes);
  });
}

SOFTGPU_API cuGraphGetEdges_v2(CUgraph hGraph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* edgeData,
                               size_t* numEdges) {
  return with_graphs([&] {
    require((from == nullptr) == (to == nullptr));
    std::vector<Pair> pairs;
    for (const auto& node : graph_of(hGraph)->nodes()) {
      for (const Pair& pair : dependencies_of(*node)) pairs.push_back(pair);
    }
    list_pairs(pairs, from, to, edgeData, numEdges);
  });
}

SOFTGPU_API cuGraphGetEdges(CUgraph hGraph, CUgraphNode* from, CUgraphNode* to, size_t* numEdges) {
  return cuGraphGetEdges_v2(hGraph, from, to, nullptr, numEdges);
}

SOFTGPU_API cuGraphNodeGetDependencies_v2(CUgraphNode hNode, CUgraphNode* dependencies,
                                          CUgraphEdgeData* edgeData, size_t* numDependencies) {
  return with_graphs([&] {
    list_pairs(dependencies_of(*node_of(hNode)), dependencies, nullptr, edgeData, numDependencies);
  });
}

SOFTGPU_API cuGraphNodeGetDependencies(CUgraphNode hNode, CUgraphNode* dependencies,
                                       size_t* numDependencies) {
  return cuGraphNodeGetDependencies_v2(hNode, dependencies, nullptr, numDependencies);
}

SOFTGPU_API cuGraphNodeGetDependentNodes_v2(CUgraphNode hNode, CUgraphNode* dependentNodes,
                                            CUgraphEdgeData* edgeData, size_t* numDependentNodes) {
  return with_graphs([&] {
    list_pairs(dependents_of(*node_of(hNode)), nullptr, dependentNodes, edgeData, numDependentNodes);
  });
}

SOFTGPU_API cuGraphNodeGetDependentNodes(CUgraphNode hNode, CUgraphNode* dependentNodes,
                                         size_t* numDependentNodes) {
  return cuGraphNodeGetDependentNodes_v2(hNode, dependentNodes, nullptr, numDependentNodes);
}

SOFTGPU_API cuGraphAddDependencies_v2(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                      const CUgraphEdgeData* edgeData, size_t numDependencies) {
  return for_each_pair(hGraph, from, to, numDependencies,
                       [&](Graph& graph, Node& first, Node& second, size_t i) {
                         CUgraphEdgeData data = edgeData ? edgeData[i] : CUgraphEdgeData{};
                         require(data.type <= CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC);
                         graph.connect(first, second, data);
                       });
}

SOFTGPU_API cuGraphAddDependencies(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                   size_t numDependencies) {
  return cuGraphAddDependencies_v2(hGraph, from, to, nullptr, numDependencies);
}

SOFTGPU_API cuGraphRemoveDependencies_v2(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                         const CUgraphEdgeData*, size_t numDependencies) {
  return for_each_pair(hGraph, from, to, numDependencies,
                       [](Graph& graph, Node& first, Node& second, size_t) {
                         require(type_of(first.work) != CU_GRAPH_NODE_TYPE_MEM_ALLOC &&
                                     type_of(second.work) != CU_GRAPH_NODE_TYPE_MEM_FREE,
                                 CUDA_ERROR_NOT_SUPPORTED);
                         graph.disconnect(first, second);
                       });
}

SOFTGPU_API cuGraphRemoveDependencies(CUgraph hGraph, const CUgraphNode* from, const CUgraphNode* to,
                                      size_t numDependencies) {
  return cuGraphRemoveDependencies_v2(hGraph, from, to, nullptr, numDependencies);
}

SOFTGPU_API cuGraphDestroyNode(CUgraphNode hNode) {
  return with_graphs([&] {
    std::shared_ptr<Node> node = node_of(hNode);
    CUgraphNodeType type = type_of(node->work);
    bool memory = type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || type == CU_GRAPH_NODE_TYPE_MEM_FREE;
    require(!memory, CUDA_ERROR_NOT_SUPPORTED);
    node->graph.remove(*node);
  });
}

SOFTGPU_API cuGraphNodeGetType(CUgraphNode hNode, CUgraphNodeType* type) {
  return with_graphs([&] {
    require(type != nullptr);
    *type = type_of(node_of(hNode)->work);
  });
}

SOFTGPU_API cuGraphNodeGetContainingGraph(CUgraphNode hNode, CUgraph* phGraph) {
  return with_graphs([&] {
    require(phGraph != nullptr);
    *phGraph = node_of(hNode)->graph.handle();
  });
}

SOFTGPU_API cuGraphNodeGetLocalId(CUgraphNode hNode, unsigned int* nodeId) {
  return with_graphs([&] {
    require(nodeId != nullptr);
    *nodeId = node_of(hNode)->local_id;
  });
}

SOFTGPU_API cuGraphNodeGetToolsId(CUgraphNode hNode, unsigned long long* toolsNodeId) {
  return with_graphs([&] {
    require(toolsNodeId != nullptr);
    *toolsNodeId = node_of(hNode)->id;
  });
}
