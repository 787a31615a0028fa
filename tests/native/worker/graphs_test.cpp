// SPDX-License-Identifier: BSD-3-Clause
// What a client may not do with graphs, and what it gets told of memory that graphs copy. The driver behind
// this worker is the emulated one.
#include <cstring>

#include "client.h"
#include "wire/graph_messages.h"
#include "wire/memory_messages.h"

namespace {

using test::Client;
using test::LedgerFile;
using test::Reply;

constexpr std::uint64_t MiB = 1 << 20;
constexpr std::uint64_t kGraph = 7000, kNode = 7001, kExec = 7002, kStream = 7003, kSlot = 7004,
                        kOther = 7005;

struct One {
  One() : ledger({64 * MiB}), client(ledger, 0, {64 * MiB}) {
    client.start();
    memory = client.allocate(MiB);
    client.post(wire::GraphCreate{kGraph, 0});
    client.call(wire::Opcode::cuStreamQuery, {0});
  }
  std::uint32_t add(std::uint64_t graph, std::uint64_t id, const wire::GraphNode& params,
                    std::vector<wire::Dependency> after = {}) {
    return client.call(wire::GraphAddNode{graph, id, std::move(after), params}).header.result;
  }
  // A copy of 64 bytes between a slot and the memory.
  wire::GraphNode copy(std::uint64_t slot, bool to_host) const {
    wire::GraphNode node;
    node.type = CU_GRAPH_NODE_TYPE_MEMCPY;
    node.copy.width_bytes = 64, node.copy.height = 1, node.copy.depth = 1;
    (to_host ? node.copy.destination_slot : node.copy.source_slot) = slot;
    (to_host ? node.copy.source : node.copy.destination) = {memory, 64, 64};
    return node;
  }
  // The error that a posted message left behind.
  template <class M>
  std::uint64_t complaint(const M& message) {
    client.post(message);
    return client.call(wire::MemInfo{}).header.context;
  }
  LedgerFile ledger;
  Client client;
  std::uint64_t memory = 0;
};

wire::GraphNode empty() {
  wire::GraphNode node;
  node.type = CU_GRAPH_NODE_TYPE_EMPTY;
  return node;
}

TEST(names_that_are_none_are_errors) {
  One one;
  CHECK_EQUAL(one.add(kOther, kNode, empty()), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.add(kGraph, kNode, empty(), {{kOther, {}}}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.client.call(wire::GraphInstantiate{kOther, kExec, 0, 0}).header.result,
              CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.complaint(wire::GraphLaunch{kExec, 0}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.complaint(wire::GraphDestroy{kOther}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.complaint(wire::SlotContents{kSlot, 0, {}}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.client.call(wire::CaptureEnd{0}).header.result != 0, true);
  wire::GraphNode kernel;
  kernel.kernel.function = kGraph;
  CHECK_EQUAL(one.add(kGraph, kNode, kernel), CUDA_ERROR_INVALID_VALUE);
  wire::GraphNode host;
  host.type = CU_GRAPH_NODE_TYPE_HOST;
  host.token = std::uint64_t{1} << 63;
  CHECK_EQUAL(one.add(kGraph, kNode, host), CUDA_ERROR_INVALID_VALUE);
  wire::GraphNode unknown;
  unknown.type = 99;
  CHECK_EQUAL(one.add(kGraph, kNode, unknown), CUDA_ERROR_NOT_SUPPORTED);
  // A node of a graph that is gone.
  CHECK_EQUAL(one.add(kGraph, kNode, empty()), 0u);
  one.client.post(wire::GraphDestroy{kGraph});
  CHECK_EQUAL(one.client.call(wire::GraphNodeInfo{kNode}).header.result, CUDA_ERROR_INVALID_VALUE);
}

TEST(copies_stay_inside_the_clients_memory) {
  One one;
  wire::GraphNode node = one.copy(kSlot, true);
  node.copy.width_bytes = 2 * MiB;
  CHECK_EQUAL(one.add(kGraph, kNode, node), CUDA_ERROR_INVALID_VALUE);
  node = one.copy(0, true);
  node.copy.destination = {one.memory + MiB, 64, 64};
  CHECK_EQUAL(one.add(kGraph, kNode, node), CUDA_ERROR_INVALID_VALUE);
  node = one.copy(kSlot, false);
  node.copy.height = std::uint64_t{1} << 40;
  CHECK_EQUAL(one.add(kGraph, kNode, node), CUDA_ERROR_INVALID_VALUE);
  wire::GraphNode fill;
  fill.type = CU_GRAPH_NODE_TYPE_MEMSET;
  fill.memset = {one.memory, 0, 1, 4, MiB, 1};
  CHECK_EQUAL(one.add(kGraph, kNode, fill), CUDA_ERROR_INVALID_VALUE);
  fill.memset.element_size = 3;
  CHECK_EQUAL(one.add(kGraph, kNode, fill), CUDA_ERROR_INVALID_VALUE);
  // Slots, too, have a limit: 256 MiB and the lease.
  wire::GraphNode large;
  large.type = CU_GRAPH_NODE_TYPE_MEMCPY;
  large.copy.width_bytes = 512 * MiB, large.copy.height = 1, large.copy.depth = 1;
  large.copy.source_slot = kSlot, large.copy.destination_slot = kOther;
  CHECK_EQUAL(one.add(kGraph, kNode, large), CUDA_ERROR_OUT_OF_MEMORY);
}

TEST(contents_fit_their_slot) {
  One one;
  CHECK_EQUAL(one.add(kGraph, kNode, one.copy(kSlot, false)), 0u);
  std::vector<std::byte> bytes(65);
  CHECK_EQUAL(one.complaint(wire::SlotContents{kSlot, 0, bytes}), CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.complaint(wire::SlotContents{kSlot, UINT64_MAX, wire::Bytes(bytes).first(2)}),
              CUDA_ERROR_INVALID_VALUE);
  CHECK_EQUAL(one.complaint(wire::SlotContents{kSlot, 0, wire::Bytes(bytes).first(64)}), 0u);
}

// What a launch copied comes before the answer that says that it is over; the slot's end is told as well.
TEST(results_come_before_the_answer) {
  One one;
  CHECK_EQUAL(one.add(kGraph, kNode, one.copy(kSlot, true)), 0u);
  CHECK_EQUAL(one.client.call(wire::GraphInstantiate{kGraph, kExec, 0, 0}).header.result, 0u);
  one.client.post(wire::GraphLaunch{kExec, 0});
  one.client.send(wire::Opcode::cuStreamSynchronize, true, [](wire::Encoder& out) { out(std::uint64_t{0}); });
  const Reply result = one.client.receive();
  CHECK_EQUAL(result.header.opcode, wire::kOpcodeHostWrite);
  CHECK_EQUAL(result.as<wire::HostWrite>().slot, kSlot);
  CHECK_EQUAL(result.as<wire::HostWrite>().bytes.size(), 64u);
  CHECK_EQUAL(one.client.receive().header.result, 0u);
  one.client.post(wire::GraphDestroy{kGraph});
  one.client.post(wire::GraphExecDestroy{kExec});
  one.client.ask(wire::MemInfo{});
  const Reply end = one.client.receive();
  CHECK_EQUAL(end.header.opcode, wire::kOpcodeHostWrite);
  CHECK_EQUAL(end.as<wire::HostWrite>().ended, 1u);
  CHECK_EQUAL(end.as<wire::HostWrite>().slot, kSlot);
  CHECK_EQUAL(one.client.receive().header.result, 0u);
}

// The memory of an allocation node counts in the lease until the last that knows it is gone.
TEST(memory_of_graphs_counts_in_the_lease) {
  One one;
  const std::uint64_t before = one.client.info().free_bytes;
  wire::GraphNode node;
  node.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC;
  node.size = 32 * MiB;
  CHECK_EQUAL(one.add(kGraph, kNode, node), 0u);
  CHECK_EQUAL(before - one.client.info().free_bytes, 32 * MiB);
  CHECK_EQUAL(one.add(kGraph, kOther, node), CUDA_ERROR_OUT_OF_MEMORY);
  one.client.post(wire::GraphDestroy{kGraph});
  one.client.ask(wire::MemInfo{});
  CHECK_EQUAL(one.client.receive().as<wire::HostWrite>().ended, 1u);
  CHECK_EQUAL(one.client.receive().as<wire::MemInfo::Reply>().free_bytes, before);
}

TEST(an_id_of_the_workers_own_range_ends_the_worker) {
  One one;
  one.client.ask(wire::GraphAddNode{kGraph, wire::kFirstServerId, {}, empty()});
  CHECK_EQUAL(one.client.wait_for_end(), 1);
}

}  // namespace

TEST_MAIN
