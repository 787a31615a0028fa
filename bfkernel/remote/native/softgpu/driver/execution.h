// SPDX-License-Identifier: BSD-3-Clause
// Executable graphs.
#pragma once

#include <memory>

#include "graph.h"

namespace softgpu::driver {

// All is guarded by graphs_mutex.
class Execution : public std::enable_shared_from_this<Execution> {
 public:
  // Checks the graph and copies it. Throws INVALID_VALUE or NOT_SUPPORTED; *culprit is then the node, if it
  // was one.
  static std::shared_ptr<Execution> create(const std::shared_ptr<Graph>& source, unsigned long long flags,
                                           CUDA_GRAPH_INSTANTIATE_PARAMS* report);
  Execution(std::shared_ptr<Graph> source, std::shared_ptr<Graph> graph, unsigned long long flags);
  ~Execution();

  // Behind the stream's work so far and this graph's earlier launches.
  void launch(Stream& stream);
  // The node that stands for a node of the graph it was made of. Throws INVALID_VALUE.
  Node& node(CUgraphNode handle);
  // Takes over the parameters of another graph of the same shape.
  CUgraphExecUpdateResultInfo update(const Graph& with);

  CUgraphExec handle() { return reinterpret_cast<CUgraphExec>(this); }
  const Graph& graph() const { return *graph_; }
  const unsigned long long flags;

 private:
  const std::weak_ptr<Graph> source_;
  const std::shared_ptr<Graph> graph_;
  Ticket last_;  // the end of the latest launch
};

std::shared_ptr<Execution> execution_of(CUgraphExec handle);
// Puts other parameters into a node of an executable graph. Throws INVALID_VALUE for what has to stay.
void exchange(Node& node, Work work);

}  // namespace softgpu::driver
