// SPDX-License-Identifier: BSD-3-Clause
#include "worker/graph_shape.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "worker/graph_params.h"

namespace worker {

CUresult list_edges(const DriverTable& driver, CUgraph graph, std::vector<Edge>& edges) {
  const bool has_data = driver.cuGraphGetEdges_v2 != nullptr;
  std::size_t count = 0;
  const auto ask = [&](CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data) {
    return has_data ? call(driver.cuGraphGetEdges_v2, graph, from, to, data, &count)
                    : call(driver.cuGraphGetEdges, graph, from, to, &count);
  };
  CUresult result = ask(nullptr, nullptr, nullptr);
  if (result != CUDA_SUCCESS || count == 0) return result;
  std::vector<CUgraphNode> from(count), to(count);
  std::vector<CUgraphEdgeData> data(count);
  result = ask(from.data(), to.data(), data.data());
  if (result != CUDA_SUCCESS) return result;
  for (std::size_t i = 0; i < count; ++i) edges.push_back({from[i], to[i], data[i]});
  return result;
}

CUresult list_neighbours(const DriverTable& driver, CUgraphNode node, bool dependents,
                         std::vector<Edge>& edges) {
  const auto with_data =
      dependents ? driver.cuGraphNodeGetDependentNodes_v2 : driver.cuGraphNodeGetDependencies_v2;
  const auto without = dependents ? driver.cuGraphNodeGetDependentNodes : driver.cuGraphNodeGetDependencies;
  std::size_t count = 0;
  const auto ask = [&](CUgraphNode* nodes, CUgraphEdgeData* data) {
    return with_data != nullptr ? call(with_data, node, nodes, data, &count)
                                : call(without, node, nodes, &count);
  };
  CUresult result = ask(nullptr, nullptr);
  if (result != CUDA_SUCCESS || count == 0) return result;
  std::vector<CUgraphNode> nodes(count);
  std::vector<CUgraphEdgeData> data(count);
  result = ask(nodes.data(), data.data());
  if (result != CUDA_SUCCESS) return result;
  for (std::size_t i = 0; i < count; ++i)
    edges.push_back(dependents ? Edge{node, nodes[i], data[i]} : Edge{nodes[i], node, data[i]});
  return result;
}

// ---- host functions among copies

namespace {

using Neighbours = std::unordered_map<CUgraphNode, std::vector<CUgraphNode>>;
using Slots = std::vector<HostSlots::Handle>;

// One graph with what its copies and host functions are.
struct Shape {
  std::vector<CUgraphNode> nodes;
  Neighbours before, after;
  std::unordered_map<CUgraphNode, Slots> copies;
  std::vector<std::pair<CUgraphNode, std::uint64_t>> functions;  // with their tokens
  std::vector<std::pair<CUgraphNode, CUgraph>> children;
};

void read_node(Session& session, CUgraphNode node, Shape& shape) {
  const DriverTable& driver = session.driver();
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  if (call(driver.cuGraphNodeGetType, node, &type) != CUDA_SUCCESS) return;
  if (type == CU_GRAPH_NODE_TYPE_MEMCPY) {
    if (Slots slots = slots_of(session, node); !slots.empty()) shape.copies[node] = std::move(slots);
  } else if (type == CU_GRAPH_NODE_TYPE_HOST) {
    CUDA_HOST_NODE_PARAMS host{};
    if (call(driver.cuGraphHostNodeGetParams, node, &host) == CUDA_SUCCESS)
      shape.functions.emplace_back(node, HostFunctions::token(host.userData));
  } else if (type == CU_GRAPH_NODE_TYPE_GRAPH) {
    CUgraph child = nullptr;
    if (call(driver.cuGraphChildGraphNodeGetGraph, node, &child) == CUDA_SUCCESS)
      shape.children.emplace_back(node, child);
  }
}

Shape read_shape(Session& session, CUgraph graph) {
  const DriverTable& driver = session.driver();
  Shape shape;
  list_nodes(
      [&](CUgraphNode* to, std::size_t* count) { return call(driver.cuGraphGetNodes, graph, to, count); },
      shape.nodes);
  std::vector<Edge> edges;
  list_edges(driver, graph, edges);
  for (const Edge& edge : edges) {
    shape.after[edge.from].push_back(edge.to);
    shape.before[edge.to].push_back(edge.from);
  }
  for (CUgraphNode node : shape.nodes) read_node(session, node, shape);
  return shape;
}

Slots all_slots(Session& session, CUgraph graph) {
  const Shape shape = read_shape(session, graph);
  Slots all;
  for (const auto& [node, slots] : shape.copies) all.insert(all.end(), slots.begin(), slots.end());
  for (const auto& [node, child] : shape.children) {
    const Slots inner = all_slots(session, child);
    all.insert(all.end(), inner.begin(), inner.end());
  }
  return all;
}

// The slots of all nodes that can be reached from `start`, in one direction.
Slots reach(const Shape& shape, const Neighbours& way, CUgraphNode start) {
  Slots found;
  std::set<CUgraphNode> seen{start};
  std::vector<CUgraphNode> open{start};
  while (!open.empty()) {
    const CUgraphNode node = open.back();
    open.pop_back();
    if (const auto copy = shape.copies.find(node); copy != shape.copies.end())
      found.insert(found.end(), copy->second.begin(), copy->second.end());
    const auto next = way.find(node);
    if (next == way.end()) continue;
    for (CUgraphNode neighbour : next->second)
      if (seen.insert(neighbour).second) open.push_back(neighbour);
  }
  return found;
}

void relate(Session& session, CUgraph graph, const Slots& before, const Slots& after,
            std::vector<wire::SlotsAfterHost>& out) {
  Shape shape = read_shape(session, graph);
  for (const auto& [node, child] : shape.children) {
    if (Slots inner = all_slots(session, child); !inner.empty()) shape.copies[node] = std::move(inner);
  }
  const auto with = [](Slots slots, const Slots& more) {
    slots.insert(slots.end(), more.begin(), more.end());
    return slots;
  };
  for (const auto& [node, token] : shape.functions) {
    Slots readable = with(reach(shape, shape.before, node), before);
    std::erase_if(readable, [](const HostSlots::Handle& slot) { return !slot->to_client; });
    session.graphs().slots().before_function(token, readable);
    wire::SlotsAfterHost writable{token, {}};
    for (const HostSlots::Handle& slot : with(reach(shape, shape.after, node), after))
      if (!slot->to_client) writable.slots.push_back(slot->id);
    if (!writable.slots.empty()) out.push_back(std::move(writable));
  }
  for (const auto& [node, child] : shape.children) {
    shape.copies.erase(node);
    relate(session, child, with(reach(shape, shape.before, node), before),
           with(reach(shape, shape.after, node), after), out);
  }
}

}  // namespace

std::vector<wire::SlotsAfterHost> relate_host_functions(Session& session, CUgraph graph) {
  std::vector<wire::SlotsAfterHost> out;
  relate(session, graph, {}, {}, out);
  return out;
}

}  // namespace worker
