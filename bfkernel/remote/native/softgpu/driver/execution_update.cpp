// SPDX-License-Identifier: BSD-3-Clause
// Updating an executable graph from another graph. Nodes are matched by the order in which they were made.
#include <algorithm>

#include "execution.h"

namespace softgpu::driver {
namespace {

size_t position(const Graph& graph, const Node& node) {
  const auto& nodes = graph.nodes();
  return std::find_if(nodes.begin(), nodes.end(), [&](const auto& other) { return other.get() == &node; }) -
         nodes.begin();
}

// Where a node's dependencies are among its graph's nodes.
std::vector<size_t> shape(const Graph& graph, const Node& node) {
  std::vector<size_t> result;
  for (const Edge& edge : node.dependencies) result.push_back(position(graph, *edge.from));
  std::sort(result.begin(), result.end());
  return result;
}

CUgraphExecUpdateResultInfo failure(CUgraphExecUpdateResult result, Node* node, Node* from = nullptr) {
  return {result, node ? node->handle() : nullptr, from ? from->handle() : nullptr};
}

bool is_cooperative(const KernelWork& work) { return work.launch->config.cooperative; }

// What keeps a node from taking over another's parameters.
CUgraphExecUpdateResult compare(const Work& mine, const Work& other) {
  if (mine.index() != other.index()) return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
  if (auto* kernel = std::get_if<KernelWork>(&mine)) {
    auto& changed = std::get<KernelWork>(other);
    if (kernel->launch->context != changed.launch->context)
      return CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE;
    if (is_cooperative(*kernel) != is_cooperative(changed))
      return CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED;
  }
  if (auto* alloc = std::get_if<AllocWork>(&mine)) {
    if (alloc->block != std::get<AllocWork>(other).block)
      return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
  }
  if (auto* conditional = std::get_if<ConditionalWork>(&mine)) {
    auto& changed = std::get<ConditionalWork>(other);
    if (conditional->type != changed.type || conditional->bodies.size() != changed.bodies.size())
      return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
  }
  return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

std::vector<Graph*> graphs_in(const Work& work) {
  std::vector<Graph*> graphs;
  for_each_graph(work, [&](Graph& graph) { graphs.push_back(&graph); });
  return graphs;
}

CUgraphExecUpdateResultInfo compare(const Graph& mine, const Graph& other) {
  size_t common = std::min(mine.nodes().size(), other.nodes().size());
  for (size_t i = 0; i < common; ++i) {
    Node& node = *mine.nodes()[i];
    Node& changed = *other.nodes()[i];
    if (shape(mine, node) != shape(other, changed)) {
      Node* from = changed.dependencies.empty() ? nullptr : changed.dependencies.front().from;
      return failure(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, &changed, from);
    }
    CUgraphExecUpdateResult result = compare(node.work, changed.work);
    if (result != CU_GRAPH_EXEC_UPDATE_SUCCESS) return failure(result, &changed);
    std::vector<Graph*> inner = graphs_in(node.work);
    std::vector<Graph*> changed_inner = graphs_in(changed.work);
    for (size_t k = 0; k < inner.size(); ++k) {
      CUgraphExecUpdateResultInfo info = compare(*inner[k], *changed_inner[k]);
      if (info.result != CU_GRAPH_EXEC_UPDATE_SUCCESS) return info;
    }
  }
  if (mine.nodes().size() != other.nodes().size()) {
    Node* extra = other.nodes().size() > common ? other.nodes()[common].get() : nullptr;
    return failure(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, extra);
  }
  return failure(CU_GRAPH_EXEC_UPDATE_SUCCESS, nullptr);
}

void take_over(Graph& mine, const Graph& other) {
  for (size_t i = 0; i < mine.nodes().size(); ++i) {
    Node& node = *mine.nodes()[i];
    const Work& changed = other.nodes()[i]->work;
    std::vector<Graph*> inner = graphs_in(node.work);
    std::vector<Graph*> changed_inner = graphs_in(changed);
    for (size_t k = 0; k < inner.size(); ++k) take_over(*inner[k], *changed_inner[k]);
    if (auto* conditional = std::get_if<ConditionalWork>(&node.work)) {
      conditional->condition = std::get<ConditionalWork>(changed).condition;
    } else if (inner.empty()) {
      node.work = changed;
    }
  }
  mine.conditions = other.conditions;
}

}  // namespace

CUgraphExecUpdateResultInfo Execution::update(const Graph& with) {
  CUgraphExecUpdateResultInfo info = compare(*graph_, with);
  if (info.result == CU_GRAPH_EXEC_UPDATE_SUCCESS) take_over(*graph_, with);
  return info;
}

}  // namespace softgpu::driver
