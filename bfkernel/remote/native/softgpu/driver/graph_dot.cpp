// SPDX-License-Identifier: BSD-3-Clause
// cuGraphDebugDotPrint: a graph as Graphviz draws it.
#include <cstdio>
#include <fstream>
#include <string>

#include "graph.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kKernels = CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE | CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_PARAMS;
constexpr unsigned kHandles = CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE | CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES;

const char* kind_of(const Work& work) {
  static constexpr const char* names[] = {"KERNEL",    "MEMCPY",   "MEMSET",       "HOST",
                                          "GRAPH",     "EMPTY",    "EVENT_WAIT",   "EVENT_RECORD",
                                          "MEM_ALLOC", "MEM_FREE", "BATCH_MEM_OP", "CONDITIONAL"};
  static_assert(std::size(names) == std::variant_size_v<Work>);
  return names[work.index()];
}

std::string name_of(const Graph& graph, const Node& node) {
  return "\"graph_" + std::to_string(graph.id) + "_node_" + std::to_string(node.local_id) + "\"";
}

std::string label_of(Node& node, unsigned flags) {
  std::string label = std::to_string(node.local_id) + "\\n" + kind_of(node.work);
  if (auto* kernel = std::get_if<KernelWork>(&node.work)) {
    label += "\\n" + kernel->launch->function->name;
    const softgpu::LaunchConfig& config = kernel->launch->config;
    char shape[160];
    std::snprintf(shape, sizeof shape, "\\n<<<(%u,%u,%u),(%u,%u,%u),%u>>>", config.grid[0], config.grid[1],
                  config.grid[2], config.block[0], config.block[1], config.block[2],
                  config.dynamic_shared_bytes);
    if (flags & kKernels) label += shape;
  }
  char handle[32];
  std::snprintf(handle, sizeof handle, "\\n%p", static_cast<void*>(node.handle()));
  if (flags & kHandles) label += handle;
  return label;
}

void print(std::ostream& out, const Graph& graph, unsigned flags) {
  out << "subgraph \"cluster_" << graph.id << "\" {\nlabel=\"graph_" << graph.id << "\"\n";
  for (const auto& node : graph.nodes()) {
    out << name_of(graph, *node) << " [shape=\"record\" label=\"" << label_of(*node, flags) << "\"];\n";
    for (const Edge& edge : node->dependencies)
      out << name_of(graph, *edge.from) << " -> " << name_of(graph, *node) << ";\n";
  }
  out << "}\n";
  for (const auto& node : graph.nodes())
    for_each_graph(node->work, [&](Graph& inner) { print(out, inner, flags); });
}

}  // namespace

SOFTGPU_API cuGraphDebugDotPrint(CUgraph hGraph, const char* path, unsigned int flags) {
  return with_graphs([&] {
    std::shared_ptr<Graph> graph = graph_of(hGraph);
    require(path != nullptr);
    std::ofstream out(path);
    require(out.good(), CUDA_ERROR_OPERATING_SYSTEM);
    out << "digraph dot {\n";
    print(out, *graph, flags);
    out << "}\n";
    require(out.good(), CUDA_ERROR_OPERATING_SYSTEM);
  });
}
