// SPDX-License-Identifier: BSD-3-Clause
// Graphs and stream capture (docs/explanation/graphs.md).
//
// The client names graphs, executable graphs and the nodes that it adds itself; the worker names those that
// only the driver knew of (a captured graph, its nodes, bodies of conditional nodes), from kFirstServerId on.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "wire/code_messages.h"
#include "wire/memory_messages.h"
#include "wire/message.h"

namespace wire {

inline constexpr uint64_t kFirstServerId = uint64_t{1} << 62;

using EdgeData = std::array<uint8_t, 8>;  // CUgraphEdgeData; zeros: an ordinary edge

struct Dependency {
  uint64_t node = 0;
  EdgeData edge{};
  BFKERNEL_FIELDS(node, edge)
};
struct GraphEdge {
  uint64_t from = 0;
  uint64_t to = 0;
  EdgeData edge{};
  BFKERNEL_FIELDS(from, to, edge)
};

// ---- what a node does

struct KernelNode {
  uint64_t function = 0;
  std::array<uint32_t, 3> grid{};
  std::array<uint32_t, 3> block{};
  uint32_t shared_bytes = 0;
  Bytes params;  // packed by the kernel's layout
  BFKERNEL_FIELDS(function, grid, block, shared_bytes, params)
};
// Each side is device memory, an array, or a *slot*: memory of the client's program, whose contents travel
// packed (width * height * depth bytes) before each launch, or after it.
struct CopyNode {
  uint64_t width_bytes = 0;
  uint64_t height = 0;
  uint64_t depth = 0;
  uint64_t destination_slot = 0;  // 0: no slot
  uint64_t source_slot = 0;
  Pitched destination;
  Pitched source;
  ArrayPlace destination_array;
  ArrayPlace source_array;
  BFKERNEL_FIELDS(width_bytes, height, depth, destination_slot, source_slot, destination, source,
                  destination_array, source_array)
};
struct MemsetNode {
  uint64_t address = 0;
  uint64_t pitch = 0;
  uint32_t value = 0;
  uint32_t element_size = 0;
  uint64_t width = 0;
  uint64_t height = 0;
  BFKERNEL_FIELDS(address, pitch, value, element_size, width, height)
};
struct ConditionalNode {
  uint64_t handle = 0;
  uint32_t type = 0;
  uint32_t size = 0;
  BFKERNEL_FIELDS(handle, type, size)
};
// Of the parts, `type` says which one counts.
struct GraphNode {
  uint32_t type = 0;  // CUgraphNodeType
  KernelNode kernel;
  CopyNode copy;
  MemsetNode memset;
  ConditionalNode conditional;
  uint64_t token = 0;      // host: the function of the client's program
  uint64_t graph = 0;      // child graph
  uint32_t ownership = 0;  // child graph: CUgraphChildGraphNodeOwnership
  uint64_t event = 0;      // event record and event wait
  uint64_t address = 0;    // of an allocation that is made or freed
  uint64_t size = 0;       // of an allocation
  int32_t device = 0;      // of an allocation: GPU of the lease
  Bytes operations;        // batch of operations on memory: CUstreamBatchMemOpParams as they lie
  uint32_t flags = 0;      // of the batch
  BFKERNEL_FIELDS(type, kernel, copy, memset, conditional, token, graph, ownership, event, address, size,
                  device, operations, flags)
};

// ---- graphs

struct GraphCreate {
  BFKERNEL_MESSAGE(GraphCreate);
  uint64_t graph = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(graph, flags)
};
struct GraphDestroy {
  BFKERNEL_MESSAGE(GraphDestroy);
  uint64_t graph = 0;
  BFKERNEL_FIELDS(graph)
};
struct GraphClone {
  BFKERNEL_MESSAGE(GraphClone);
  uint64_t clone = 0;
  uint64_t original = 0;
  BFKERNEL_FIELDS(clone, original)
};
struct GraphFindInClone {
  BFKERNEL_MESSAGE(GraphFindInClone);
  uint64_t original = 0;
  uint64_t clone = 0;
  BFKERNEL_FIELDS(original, clone)
  struct Reply {
    uint64_t node = 0;
    BFKERNEL_FIELDS(node)
  };
};
struct GraphAddNode {
  BFKERNEL_MESSAGE(GraphAddNode);
  uint64_t graph = 0;
  uint64_t node = 0;
  std::vector<Dependency> dependencies;
  GraphNode params;
  BFKERNEL_FIELDS(graph, node, dependencies, params)
  struct Reply {
    uint64_t address = 0;          // of an allocation
    std::vector<uint64_t> graphs;  // bodies of a conditional node
    BFKERNEL_FIELDS(address, graphs)
  };
};
struct GraphDestroyNode {
  BFKERNEL_MESSAGE(GraphDestroyNode);
  uint64_t node = 0;
  BFKERNEL_FIELDS(node)
};
struct GraphNodeInfo {
  BFKERNEL_MESSAGE(GraphNodeInfo);
  uint64_t node = 0;
  BFKERNEL_FIELDS(node)
  struct Reply {
    uint32_t type = 0;
    BFKERNEL_FIELDS(type)
  };
};
struct GraphGetParams {
  BFKERNEL_MESSAGE(GraphGetParams);
  uint64_t node = 0;
  BFKERNEL_FIELDS(node)
  struct Reply {
    GraphNode params;
    BFKERNEL_FIELDS(params)
  };
};
// With `exec` the node's part of an executable graph, else the graph's node itself.
struct GraphSetParams {
  BFKERNEL_MESSAGE(GraphSetParams);
  uint64_t exec = 0;
  uint64_t node = 0;
  GraphNode params;
  BFKERNEL_FIELDS(exec, node, params)
};
struct GraphNodes {
  BFKERNEL_MESSAGE(GraphNodes);
  uint64_t graph = 0;
  uint8_t roots_only = 0;
  BFKERNEL_FIELDS(graph, roots_only)
  struct Reply {
    std::vector<uint64_t> nodes;
    BFKERNEL_FIELDS(nodes)
  };
};
struct GraphEdges {
  BFKERNEL_MESSAGE(GraphEdges);
  uint64_t graph = 0;
  BFKERNEL_FIELDS(graph)
  struct Reply {
    std::vector<GraphEdge> edges;
    BFKERNEL_FIELDS(edges)
  };
};
struct GraphNeighbours {
  BFKERNEL_MESSAGE(GraphNeighbours);
  uint64_t node = 0;
  uint8_t dependents = 0;  // 1: those that depend on it, 0: those it depends on
  BFKERNEL_FIELDS(node, dependents)
  struct Reply {
    std::vector<Dependency> nodes;
    BFKERNEL_FIELDS(nodes)
  };
};
struct GraphChangeEdges {
  BFKERNEL_MESSAGE(GraphChangeEdges);
  uint64_t graph = 0;
  uint8_t remove = 0;
  std::vector<GraphEdge> edges;
  BFKERNEL_FIELDS(graph, remove, edges)
};
struct GraphKernelAttribute {
  BFKERNEL_MESSAGE(GraphKernelAttribute);
  uint64_t node = 0;
  uint8_t set = 0;
  LaunchAttribute attribute;
  BFKERNEL_FIELDS(node, set, attribute)
  struct Reply {
    LaunchAttribute attribute;
    BFKERNEL_FIELDS(attribute)
  };
};
struct GraphDot {
  BFKERNEL_MESSAGE(GraphDot);
  uint64_t graph = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(graph, flags)
  struct Reply {
    std::string text;
    BFKERNEL_FIELDS(text)
  };
};
struct GraphConditionalHandle {
  BFKERNEL_MESSAGE(GraphConditionalHandle);
  uint64_t graph = 0;
  uint32_t default_value = 0;
  uint32_t flags = 0;
  BFKERNEL_FIELDS(graph, default_value, flags)
  struct Reply {
    uint64_t handle = 0;
    BFKERNEL_FIELDS(handle)
  };
};
// What the graphs' own allocations take on a device.
struct GraphMemoryUse {
  BFKERNEL_MESSAGE(GraphMemoryUse);
  int32_t device = 0;
  uint8_t reset_high = 0;
  BFKERNEL_FIELDS(device, reset_high)
  struct Reply {
    uint64_t used = 0;
    uint64_t high = 0;
    BFKERNEL_FIELDS(used, high)
  };
};

// ---- executable graphs

// A function of the program after which these slots are read again: it may write what the graph then copies.
struct SlotsAfterHost {
  uint64_t token = 0;
  std::vector<uint64_t> slots;
  BFKERNEL_FIELDS(token, slots)
};
// Whose contents a launch brings along.
struct ExecSlots {
  std::vector<uint64_t> uploads;
  std::vector<SlotsAfterHost> after_host;
  BFKERNEL_FIELDS(uploads, after_host)
};
// The reply comes on failure as well.
struct GraphInstantiate {
  BFKERNEL_MESSAGE(GraphInstantiate);
  uint64_t graph = 0;
  uint64_t exec = 0;
  uint64_t flags = 0;
  uint64_t upload_stream = 0;
  BFKERNEL_FIELDS(graph, exec, flags, upload_stream)
  struct Reply {
    uint32_t result = 0;      // CUgraphInstantiateResult
    uint64_t error_node = 0;  // 0: none
    ExecSlots slots;
    BFKERNEL_FIELDS(result, error_node, slots)
  };
};
// The reply comes on failure as well.
struct GraphUpdate {
  BFKERNEL_MESSAGE(GraphUpdate);
  uint64_t exec = 0;
  uint64_t graph = 0;
  BFKERNEL_FIELDS(exec, graph)
  struct Reply {
    uint32_t result = 0;  // CUgraphExecUpdateResult
    uint64_t error_node = 0;
    uint64_t error_from_node = 0;
    ExecSlots slots;
    BFKERNEL_FIELDS(result, error_node, error_from_node, slots)
  };
};
struct GraphExecDestroy {
  BFKERNEL_MESSAGE(GraphExecDestroy);
  uint64_t exec = 0;
  BFKERNEL_FIELDS(exec)
};
struct GraphLaunch {
  BFKERNEL_MESSAGE(GraphLaunch);
  uint64_t exec = 0;
  uint64_t stream = 0;
  BFKERNEL_FIELDS(exec, stream)
};
// What a slot's memory holds now, or a part of it. Posted before a launch; waited for after a function of the
// program's, which answers on another connection.
struct SlotContents {
  BFKERNEL_MESSAGE(SlotContents);
  uint64_t slot = 0;
  uint64_t offset = 0;
  Bytes bytes;
  BFKERNEL_FIELDS(slot, offset, bytes)
};
// Worker → client, unasked (kOpcodeHostWrite): what a launch left in a slot, or with `ended` that the slot,
// or the graph's memory at that address, is no more.
struct HostWrite {
  uint64_t slot = 0;
  uint64_t offset = 0;
  uint8_t ended = 0;
  uint64_t memory = 0;
  Bytes bytes;
  BFKERNEL_FIELDS(slot, offset, ended, memory, bytes)
};

// ---- capture. The driver always captures in relaxed mode: what the other modes forbid, the client refuses.

struct CaptureBegin {
  BFKERNEL_MESSAGE(CaptureBegin);
  uint64_t stream = 0;
  uint64_t graph = 0;  // 0: a new one
  std::vector<Dependency> dependencies;
  BFKERNEL_FIELDS(stream, graph, dependencies)
};
struct CaptureEnd {
  BFKERNEL_MESSAGE(CaptureEnd);
  uint64_t stream = 0;
  BFKERNEL_FIELDS(stream)
  struct Reply {
    uint64_t graph = 0;
    BFKERNEL_FIELDS(graph)
  };
};
struct CaptureInfo {
  BFKERNEL_MESSAGE(CaptureInfo);
  uint64_t stream = 0;
  BFKERNEL_FIELDS(stream)
  struct Reply {
    uint32_t status = 0;
    uint64_t id = 0;
    uint64_t graph = 0;
    std::vector<Dependency> dependencies;
    BFKERNEL_FIELDS(status, id, graph, dependencies)
  };
};
struct CaptureStatus {
  BFKERNEL_MESSAGE(CaptureStatus);
  uint64_t stream = 0;
  BFKERNEL_FIELDS(stream)
  struct Reply {
    uint32_t status = 0;
    BFKERNEL_FIELDS(status)
  };
};
struct CaptureDependencies {
  BFKERNEL_MESSAGE(CaptureDependencies);
  uint64_t stream = 0;
  uint32_t flags = 0;
  std::vector<Dependency> dependencies;
  BFKERNEL_FIELDS(stream, flags, dependencies)
};
// A call that the capture's mode forbids was made: the capture is over.
struct CaptureInvalidate {
  BFKERNEL_MESSAGE(CaptureInvalidate);
  uint64_t stream = 0;
  BFKERNEL_FIELDS(stream)
};
struct CaptureCopy {
  BFKERNEL_MESSAGE(CaptureCopy);
  uint64_t stream = 0;
  CopyNode copy;
  BFKERNEL_FIELDS(stream, copy)
};
struct CaptureAlloc {
  BFKERNEL_MESSAGE(CaptureAlloc);
  uint64_t stream = 0;
  uint64_t size = 0;
  int32_t device = 0;
  BFKERNEL_FIELDS(stream, size, device)
  struct Reply {
    uint64_t address = 0;
    BFKERNEL_FIELDS(address)
  };
};
struct CaptureFree {
  BFKERNEL_MESSAGE(CaptureFree);
  uint64_t stream = 0;
  uint64_t address = 0;
  BFKERNEL_FIELDS(stream, address)
};

}  // namespace wire
