// SPDX-License-Identifier: BSD-3-Clause
// The objects behind the handles of graphs. The worker holds the graphs themselves.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "shim/handles.h"
#include "wire/graph_messages.h"

namespace shim {

// Something of the program's that graphs keep alive; the references are counted here.
struct UserObject : Object {
  void* pointer = nullptr;
  CUhostFn destroy = nullptr;
  uint64_t references = 0;
};

using HeldObjects = std::map<UserObject*, uint64_t>;  // → references

struct GraphObject : Object {
  GraphObject* parent = nullptr;  // the graph whose node holds this one; null: the program's own
  std::vector<CUgraphNode> nodes;
  std::vector<CUgraph> inner;
  HeldObjects held;
};

// What a question about a node's parameters returned: pointers into it stay valid until the node is asked
// again, or ends.
struct ShownParams {
  std::vector<std::byte> packed;
  std::vector<void*> pointers;
  std::vector<CUgraph> graphs;
  std::vector<CUstreamBatchMemOpParams> operations;
  CUmemAccessDesc access{};
};

struct GraphNodeObject : Object {
  GraphObject* graph = nullptr;
  CUevent event = nullptr;  // of a node that records one or waits for one
  std::unique_ptr<ShownParams> shown;
};

struct GraphExecObject : Object {
  wire::ExecSlots slots;
  HeldObjects held;
};

namespace graphs {

// The handle for what the worker calls `id`, made where there is none yet. 0 is null.
CUgraph graph_handle(uint64_t id, GraphObject* parent);
CUgraphNode node_handle(uint64_t id, GraphObject* graph);
// A new object that this side names.
CUgraphNode create_node(GraphObject* graph);
CUgraph create_graph();

// The object and all that is in it ends.
void forget(CUgraphNode node);
void forget(CUgraph graph);

// The ids of nodes, with the kind of their edges where `edges` is not null.
std::vector<wire::Dependency> dependencies(const CUgraphNode* nodes, const CUgraphEdgeData* edges,
                                           size_t count);
wire::EdgeData to_wire(const CUgraphEdgeData& edge);
CUgraphEdgeData from_wire(const wire::EdgeData& edge);

// What CUDA's lists do: with `out` null the number is returned, else at most *count entries are written.
template <class Ids, class Write>
void write_list(const Ids& ids, bool wanted, size_t* count, Write&& write) {
  require(count);
  if (wanted)
    for (size_t i = 0; i < ids.size() && i < *count; ++i) write(i, ids[i]);
  *count = wanted ? std::min(*count, ids.size()) : ids.size();
}

}  // namespace graphs

namespace user_objects {

void retain(HeldObjects& by, const HeldObjects& all);
void release(HeldObjects& by);

}  // namespace user_objects
}  // namespace shim
