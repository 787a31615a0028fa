// SPDX-License-Identifier: BSD-3-Clause
#include "graph.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

namespace softgpu::driver {
namespace {

std::atomic<unsigned long long> next_node_id{1};
std::atomic<unsigned> next_graph_id{1};

}  // namespace

std::recursive_mutex& graphs_mutex() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

Node::Node(Graph& graph, unsigned local_id, Work work)
    : graph(graph), local_id(local_id), id(next_node_id.fetch_add(1)), work(std::move(work)) {}

bool Node::depends_on(const Node& other) const {
  std::unordered_set<const Node*> seen;
  std::vector<const Node*> todo{this};
  while (!todo.empty()) {
    const Node* node = todo.back();
    todo.pop_back();
    for (const Edge& edge : node->dependencies) {
      if (edge.from == &other) return true;
      if (seen.insert(edge.from).second) todo.push_back(edge.from);
    }
  }
  return false;
}

Graph::Graph(GraphOwner owner) : owner(owner), id(next_graph_id.fetch_add(1)) {}

std::shared_ptr<Graph> Graph::create(GraphOwner owner) {
  auto graph = std::make_shared<Graph>(owner);
  if (owner != GraphOwner::execution) registry<Graph>().add<CUgraph>(graph);
  return graph;
}

// The last owner may be work that has just run, on any thread.
Graph::~Graph() {
  std::lock_guard lock(graphs_mutex());
  for (auto& [object, kept] : kept_) release(*object, kept.count);
}

Node& Graph::add(Work work, std::span<const Edge> dependencies) {
  auto node = std::make_shared<Node>(*this, next_local_id_++, std::move(work));
  nodes_.push_back(node);
  if (owner != GraphOwner::execution) registry<Node>().add<CUgraphNode>(node);
  for (const Edge& edge : dependencies) connect(*edge.from, *node, edge.data);
  return *node;
}

void Graph::connect(Node& from, Node& to, CUgraphEdgeData data) {
  require(&from != &to);
  for (const Edge& edge : to.dependencies) require(edge.from != &from);
  to.dependencies.push_back({&from, data});
  from.dependents.push_back(&to);
}

void Graph::disconnect(Node& from, Node& to) {
  auto edge = std::find_if(to.dependencies.begin(), to.dependencies.end(),
                           [&](const Edge& candidate) { return candidate.from == &from; });
  require(edge != to.dependencies.end());
  to.dependencies.erase(edge);
  std::erase(from.dependents, &to);
}

void Graph::remove(Node& node) {
  while (!node.dependencies.empty()) disconnect(*node.dependencies.back().from, node);
  while (!node.dependents.empty()) disconnect(node, *node.dependents.back());
  registry<Node>().remove(node.handle());
  for_each_graph(node.work, [](Graph& inner) { retire(inner); });
  std::erase_if(nodes_, [&](const auto& candidate) { return candidate.get() == &node; });
}

std::shared_ptr<Graph> Graph::clone(GraphOwner new_owner) const {
  std::shared_ptr<Graph> copy = create(new_owner);
  copy->origin = id;
  copy->conditions = conditions;
  for (const auto& [object, kept] : kept_) copy->keep(kept.object, kept.count, false);
  std::unordered_map<const Node*, Node*> copies;
  for (const auto& node : nodes_) {
    Node& made = copy->add(clone_work(node->work, new_owner), {});
    made.origin = node->id;
    made.enabled = node->enabled;
    copies[node.get()] = &made;
  }
  for (const auto& node : nodes_) {
    for (const Edge& edge : node->dependencies)
      copy->connect(*copies[edge.from], *copies[node.get()], edge.data);
  }
  return copy;
}

std::vector<Node*> Graph::ordered() const {
  std::unordered_map<const Node*, size_t> missing;
  std::vector<Node*> result;
  for (const auto& node : nodes_) {
    missing[node.get()] = node->dependencies.size();
    if (node->dependencies.empty()) result.push_back(node.get());
  }
  for (size_t i = 0; i < result.size(); ++i) {
    for (Node* next : result[i]->dependents) {
      if (--missing[next] == 0) result.push_back(next);
    }
  }
  require(result.size() == nodes_.size());
  return result;
}

Node* Graph::find_clone(unsigned long long original) const {
  for (const auto& node : nodes_) {
    if (node->origin == original) return node.get();
    Node* found = nullptr;
    for_each_graph(node->work, [&](Graph& inner) {
      if (!found) found = inner.find_clone(original);
    });
    if (found) return found;
  }
  return nullptr;
}

bool Graph::has_memory_nodes() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    bool inside = false;
    for_each_graph(node->work, [&](Graph& inner) { inside |= inner.has_memory_nodes(); });
    return inside || std::holds_alternative<AllocWork>(node->work) ||
           std::holds_alternative<FreeWork>(node->work);
  });
}

void Graph::keep(const std::shared_ptr<UserObject>& object, unsigned count, bool move) {
  if (!move) {
    retain(*object, count);
  } else {
    require(count <= object->references);
  }
  Kept& kept = kept_.try_emplace(object.get(), Kept{object, 0}).first->second;
  kept.count += count;
}

void Graph::let_go(UserObject& object, unsigned count) {
  auto found = kept_.find(&object);
  require(found != kept_.end() && count <= found->second.count);
  std::shared_ptr<UserObject> alive = found->second.object;
  found->second.count -= count;
  if (found->second.count == 0) kept_.erase(found);
  release(object, count);
}

void retire(Graph& graph) {
  for (const auto& node : graph.nodes()) {
    registry<Node>().remove(node->handle());
    for_each_graph(node->work, [](Graph& inner) { retire(inner); });
  }
  registry<Graph>().remove(graph.handle());
}

std::shared_ptr<Graph> graph_of(CUgraph handle) {
  return registry<Graph>().get(handle, CUDA_ERROR_INVALID_VALUE);
}

std::shared_ptr<Node> node_of(CUgraphNode handle) {
  return registry<Node>().get(handle, CUDA_ERROR_INVALID_VALUE);
}

std::vector<Edge> edges_of(const Graph& graph, const CUgraphNode* nodes, const CUgraphEdgeData* data,
                           size_t count) {
  require(count == 0 || nodes != nullptr);
  std::vector<Edge> edges;
  for (size_t i = 0; i < count; ++i) {
    std::shared_ptr<Node> node = node_of(nodes[i]);
    require(&node->graph == &graph);
    CUgraphEdgeData edge = data ? data[i] : CUgraphEdgeData{};
    // Programmatic dependencies let a kernel start early; waiting for its predecessor's end is always right.
    require(edge.type <= CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC);
    edges.push_back({node.get(), edge});
  }
  return edges;
}

}  // namespace softgpu::driver
