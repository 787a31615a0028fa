// SPDX-License-Identifier: BSD-3-Clause
// What a node of a graph does: between CUDA's structures and what travels.
#pragma once

#include <array>
#include <deque>

#include "shim/copies_box.h"
#include "shim/graphs.h"

namespace shim::graph_nodes {

// The slots of a copy whose one or both sides are the program's memory. They end with this object unless
// keep() said that the worker has them now.
class CopySlots {
 public:
  explicit CopySlots(const copies::Box& box);
  ~CopySlots();
  CopySlots(const CopySlots&) = delete;
  CopySlots& operator=(const CopySlots&) = delete;
  const wire::CopyNode& node() const { return node_; }
  void keep() const { kept_ = true; }

 private:
  wire::CopyNode node_;
  mutable bool kept_ = false;
};

// Parameters of a node on their way. What was made for them (slots, the number of a host function) ends with
// this object unless keep() was called.
class Outgoing {
 public:
  explicit Outgoing(const CUgraphNodeParams& params);
  ~Outgoing();
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;
  const wire::GraphNode& node() const { return node_; }
  ContextObject* context() const { return context_; }
  void keep();

 private:
  void set(const CUgraphNodeParams& params);
  void set(const CUDA_KERNEL_NODE_PARAMS_v3& from);
  void set(const CUDA_MEMCPY_NODE_PARAMS& from);
  void set(const CUDA_MEMSET_NODE_PARAMS_v2& from);
  void set(const CUDA_HOST_NODE_PARAMS_v2& from);
  void set(const CUDA_MEM_ALLOC_NODE_PARAMS_v2& from);
  void set(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2& from);
  void set(const CUDA_CONDITIONAL_NODE_PARAMS& from);

  wire::GraphNode node_;
  ContextObject* context_ = nullptr;
  std::unique_ptr<CopySlots> slots_;
  bool kept_ = false;
};

// What launches of an executable graph bring along from now on.
void take_slots(GraphExecObject* exec, const wire::ExecSlots& slots);

// As cuGraphNodeGetParams returns them: pointers into node->shown.
CUgraphNodeParams shown(GraphNodeObject* node);

}  // namespace shim::graph_nodes
