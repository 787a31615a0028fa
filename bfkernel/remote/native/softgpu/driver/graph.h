// SPDX-License-Identifier: BSD-3-Clause
// Graphs: nodes, each some work, and the dependencies between them.
//
// One mutex guards the structure of all graphs, captures and executable graphs. What a launch has submitted
// never looks at them again.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "current.h"
#include "graph_work.h"
#include "user_object.h"

namespace softgpu::driver {

std::recursive_mutex& graphs_mutex();

// For entry points that deal with graphs.
template <typename Body>
CUresult with_graphs(Body&& body) noexcept {
  return guarded([&] {
    Driver::get();
    std::lock_guard lock(graphs_mutex());
    return body();
  });
}

class Graph;

struct Edge {
  Node* from;
  CUgraphEdgeData data;
};

struct Node {
  Node(Graph& graph, unsigned local_id, Work work);
  CUgraphNode handle() { return reinterpret_cast<CUgraphNode>(this); }
  bool depends_on(const Node& other) const;

  Graph& graph;
  const unsigned local_id;        // in its graph
  const unsigned long long id;    // unique over the process's life
  unsigned long long origin = 0;  // id of the node that it was cloned from
  Work work;
  bool enabled = true;             // in an executable graph
  std::vector<Edge> dependencies;  // in the order in which they were made
  std::vector<Node*> dependents;
};

// Who may destroy and change a graph.
enum class GraphOwner {
  program,    // has a handle, to be destroyed by the program
  node,       // the graph of a child or conditional node: has a handle, goes with its node
  execution,  // an executable graph's own copy: no handles
};

class Graph : public std::enable_shared_from_this<Graph> {
 public:
  static std::shared_ptr<Graph> create(GraphOwner owner);
  explicit Graph(GraphOwner owner);
  ~Graph();

  CUgraph handle() { return reinterpret_cast<CUgraph>(this); }
  Node& add(Work work, std::span<const Edge> dependencies);
  // Both nodes are in this graph. Throws INVALID_VALUE when they are connected already, or are one.
  void connect(Node& from, Node& to, CUgraphEdgeData data);
  void disconnect(Node& from, Node& to);
  void remove(Node& node);
  // A copy with graphs inside copied as well. Throws NOT_SUPPORTED where the work cannot be copied.
  std::shared_ptr<Graph> clone(GraphOwner owner) const;
  // The nodes such that each comes after what it depends on. Throws INVALID_VALUE when there is a circle.
  std::vector<Node*> ordered() const;
  // The nodes of this graph or of a graph in one of its nodes that was cloned from the node with that id.
  Node* find_clone(unsigned long long origin) const;
  bool has_memory_nodes() const;

  void keep(const std::shared_ptr<UserObject>& object, unsigned count, bool move);
  void let_go(UserObject& object, unsigned count);

  const std::vector<std::shared_ptr<Node>>& nodes() const { return nodes_; }

  GraphOwner owner;
  const unsigned id;
  unsigned origin = 0;     // id of the graph that it was cloned from
  bool capturing = false;  // a stream's work is being recorded into it
  int executions = 0;      // executable graphs made of it; only one may be where it allocates memory
  std::vector<std::shared_ptr<Condition>> conditions;

 private:
  struct Kept {
    std::shared_ptr<UserObject> object;
    unsigned count;
  };
  std::vector<std::shared_ptr<Node>> nodes_;
  std::map<UserObject*, Kept> kept_;
  unsigned next_local_id_ = 0;
};

// Throw INVALID_VALUE.
std::shared_ptr<Graph> graph_of(CUgraph handle);
std::shared_ptr<Node> node_of(CUgraphNode handle);
// Dependencies as entry points get them; all have to be nodes of `graph`.
std::vector<Edge> edges_of(const Graph& graph, const CUgraphNode* nodes, const CUgraphEdgeData* data,
                           size_t count);

}  // namespace softgpu::driver
