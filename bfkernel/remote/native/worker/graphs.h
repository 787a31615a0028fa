// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "worker/host_slots.h"
#include "worker/memory.h"

namespace worker {

class Session;

// The client's graphs: their names, and what must live as long as they do. The driver's handles are in the
// session's table. Used by the session's thread, unless said otherwise.
class Graphs {
 public:
  // Device memory that a graph allocates: reserved from the node's making on, at one address for all
  // launches, until the last graph and executable graph that knows it is gone and the program has freed it.
  struct Allocation {
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    unsigned device = 0;
  };
  using Memory = std::shared_ptr<Allocation>;

  // What a graph, or an executable one, keeps alive.
  struct Holdings {
    std::map<std::uint64_t, HostSlots::Handle> slots;
    std::map<std::uint64_t, Memory> memory;
    std::set<std::uint64_t> freed;  // addresses that the graph frees itself
    void add(const Holdings& other);
  };
  struct Graph {
    CUgraph handle = nullptr;
    std::uint64_t parent = 0;  // the graph that this one is a part of
    std::set<std::uint64_t> nodes;
    std::set<std::uint64_t> inner;
    Holdings holdings;
  };
  // A node that allocates or frees is an empty node to the driver.
  struct MemoryNode {
    CUgraphNodeType type;
    Allocation what;
  };
  struct Node {
    CUgraphNode handle = nullptr;
    std::uint64_t graph = 0;
    std::optional<MemoryNode> memory;
    std::set<std::uint64_t> inner;  // graphs that end with the node
  };
  struct Exec {
    Holdings holdings;
    // Slots that a change of the executable graph's own gave a copy: destination and source.
    std::map<std::uint64_t, std::pair<std::uint64_t, std::uint64_t>> changed;
  };

  explicit Graphs(Session& session);
  ~Graphs();

  // ---- names. The driver's own objects get one when the client first hears of them.

  void add_graph(std::uint64_t id, CUgraph handle, std::uint64_t parent);
  void add_node(std::uint64_t id, CUgraphNode handle, std::uint64_t graph);
  std::uint64_t name_graph(CUgraph handle, std::uint64_t parent);
  std::uint64_t name_node(CUgraphNode handle, std::uint64_t graph);
  std::uint64_t node_name(CUgraphNode handle) const;  // 0: none yet
  // Throw CudaError for what is no such thing.
  Graph& graph(std::uint64_t id);
  Node& node(std::uint64_t id);
  Exec& exec(std::uint64_t id);
  void forget_graph(std::uint64_t id);  // and all that is in it
  void forget_node(std::uint64_t id);   // and the graphs in it
  // A graph inside a node: the node's child, or one that a condition chooses.
  std::uint64_t name_inner(CUgraph handle, std::uint64_t node);
  void forget_inner(std::uint64_t node);
  void add_exec(std::uint64_t id, CUgraphExec handle, Holdings holdings);
  void forget_exec(std::uint64_t id);
  // What a graph and the graphs in it hold.
  Holdings holdings(std::uint64_t graph);

  // ---- memory

  HostSlots& slots() { return slots_; }
  // Throws CudaError past the limit of the lease.
  Memory allocate(unsigned device, std::uint64_t size);
  // The allocation at an address, null where it is not a graph's.
  Memory find_memory(std::uint64_t address) const;
  // The program frees what a launch left allocated: false where the address is not a graph's.
  bool free(std::uint64_t address);
  // After a launch, what the graph allocated and did not free is the program's.
  void launched(const Exec& exec);
  struct Use {
    std::uint64_t used = 0;
    std::uint64_t high = 0;
  };
  Use& use(unsigned device) { return uses_[device]; }

  // ---- captures

  void begin_capture(std::uint64_t stream, std::uint64_t graph, bool of_client);
  struct Capture {
    std::uint64_t graph = 0;
    bool of_client = false;  // the client's own graph is captured into
  };
  std::optional<Capture> capture(std::uint64_t stream) const;
  void end_capture(std::uint64_t stream);
  // The stream is gone: so is a graph that it was making.
  void end_stream(std::uint64_t stream);
  bool is_captured_into(std::uint64_t graph) const;
  // Any thread.
  bool capturing() const { return captures_.load(std::memory_order_relaxed) != 0; }
  // Held while a capture begins; shared by those who, beside the session's thread, wait for the GPU or ask
  // whether it is done: that would end a capture that begins meanwhile.
  std::shared_mutex& quiet() { return quiet_; }
  // The graph that a stream, which need not be the one where the capture began, captures into; 0: none.
  std::uint64_t captured_by(CUstream stream);

  // Nothing is sent or given back any more: the session ends.
  void stop();

 private:
  Session& session_;
  HostSlots slots_;
  bool ending_ = false;
  std::atomic<int> captures_{0};
  std::uint64_t last_id_;
  std::unordered_map<std::uint64_t, Graph> graphs_;
  std::unordered_map<std::uint64_t, Node> nodes_;
  std::unordered_map<std::uint64_t, Exec> execs_;
  std::unordered_map<CUgraph, std::uint64_t> graph_names_;
  std::unordered_map<CUgraphNode, std::uint64_t> node_names_;
  std::map<std::uint64_t, std::weak_ptr<Allocation>> memory_;
  std::map<std::uint64_t, Memory> left_allocated_;
  std::map<unsigned, Use> uses_;
  std::map<std::uint64_t, Capture> in_flight_;
  std::shared_mutex quiet_;
};

}  // namespace worker
