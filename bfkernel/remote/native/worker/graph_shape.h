// SPDX-License-Identifier: BSD-3-Clause
// Nodes and edges as the driver lists them, old driver or new.
#pragma once

#include <cuda.h>

#include <cstring>
#include <vector>

#include "wire/graph_messages.h"
#include "worker/graphs.h"
#include "worker/session.h"

namespace worker {

inline CUgraphEdgeData from_wire(const wire::EdgeData& edge) {
  CUgraphEdgeData out{};
  static_assert(sizeof out == sizeof edge);
  std::memcpy(&out, edge.data(), sizeof out);
  return out;
}
inline wire::EdgeData to_wire(const CUgraphEdgeData& edge) {
  wire::EdgeData out{};
  std::memcpy(out.data(), &edge, sizeof edge);
  return out;
}

// What a new node comes after. Throws CudaError for a node that does not exist.
class Dependencies {
 public:
  Dependencies(Session& session, const std::vector<wire::Dependency>& from) {
    for (const wire::Dependency& dependency : from) {
      nodes_.push_back(session.graphs().node(dependency.node).handle);
      edges_.push_back(from_wire(dependency.edge));
      plain_ = plain_ && dependency.edge == wire::EdgeData{};
    }
  }
  CUgraphNode* nodes() const { return nodes_.empty() ? nullptr : nodes_.data(); }
  // Null where all edges are ordinary ones, which older drivers know too.
  const CUgraphEdgeData* edges() const { return plain_ ? nullptr : edges_.data(); }
  std::size_t count() const { return nodes_.size(); }

 private:
  mutable std::vector<CUgraphNode> nodes_;
  std::vector<CUgraphEdgeData> edges_;
  bool plain_ = true;
};

struct Edge {
  CUgraphNode from = nullptr;
  CUgraphNode to = nullptr;
  CUgraphEdgeData data{};
};

// A list that the driver first counts and then writes.
template <class Ask>
CUresult list_nodes(Ask ask, std::vector<CUgraphNode>& nodes) {
  std::size_t count = 0;
  CUresult result = ask(nullptr, &count);
  if (result != CUDA_SUCCESS || count == 0) return result;
  nodes.resize(count);
  result = ask(nodes.data(), &count);
  nodes.resize(result == CUDA_SUCCESS ? count : 0);
  return result;
}

CUresult list_edges(const DriverTable& driver, CUgraph graph, std::vector<Edge>& edges);
CUresult list_neighbours(const DriverTable& driver, CUgraphNode node, bool dependents,
                         std::vector<Edge>& edges);

// The older forms of parameters, which every driver with graphs takes.
inline CUDA_MEMSET_NODE_PARAMS memset_v1(const CUDA_MEMSET_NODE_PARAMS_v2& from) {
  return {from.dst, from.pitch, from.value, from.elementSize, from.width, from.height};
}
inline CUDA_BATCH_MEM_OP_NODE_PARAMS batch_v1(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2& from) {
  return {from.ctx, from.count, from.paramArray, from.flags};
}

// What a graph copies before its host functions, which they may read, is noted with them; returned is what it
// copies after them, which they may write.
std::vector<wire::SlotsAfterHost> relate_host_functions(Session& session, CUgraph graph);

}  // namespace worker
