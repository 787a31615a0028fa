// SPDX-License-Identifier: BSD-3-Clause
// What a node of a graph does: between what travels and the driver's structures.
#pragma once

#include <array>
#include <vector>

#include "wire/graph_messages.h"
#include "worker/calls.h"
#include "worker/graphs.h"

namespace worker {

// A copy with the client's slots as the driver takes it. Throws CudaError where it would leave what is the
// client's; new slots are made for those that it names.
struct GraphCopy {
  GraphCopy(Session& session, const wire::CopyNode& message);
  CUDA_MEMCPY3D copy{};
  HostSlots::Handle destination;
  HostSlots::Handle source;
  void hold(Graphs::Holdings& by) const;
};

// Parameters that came from a client, checked and ready for the driver. Valid as long as the message.
class NodeParams {
 public:
  NodeParams(Session& session, const wire::GraphNode& message);
  NodeParams(const NodeParams&) = delete;
  NodeParams& operator=(const NodeParams&) = delete;

  CUgraphNodeParams params{};
  HostSlots::Handle destination;  // of a copy
  HostSlots::Handle source;
  std::vector<CUgraph> bodies;  // of a conditional node, filled in by the driver
  CUcontext context = nullptr;

 private:
  void set_kernel(Session& session, const wire::KernelNode& from);
  void set_copy(Session& session, const wire::CopyNode& from);
  void set_memset(Session& session, const wire::MemsetNode& from);
  void set_operations(Session& session, const wire::GraphNode& from);
  void set_conditional(const wire::ConditionalNode& from);

  alignas(64) std::array<std::byte, 32768> packed_{};
  std::size_t packed_size_ = 0;
  std::array<void*, 5> extra_{};
  std::vector<CUstreamBatchMemOpParams> operations_;
};

// What the driver says of a node, in the client's terms. `storage` holds what the message borrows.
struct ShownNode {
  wire::GraphNode message;
  std::vector<std::byte> storage;
};
void show_node(Session& session, std::uint64_t node, ShownNode& shown);
// The slots of a copy, as the driver knows them.
std::vector<HostSlots::Handle> slots_of(Session& session, CUgraphNode node);

}  // namespace worker
