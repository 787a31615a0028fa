// SPDX-License-Identifier: BSD-3-Clause
#include "worker/graphs.h"

#include <algorithm>
#include <utility>

#include "wire/graph_messages.h"
#include "worker/session.h"

namespace worker {
namespace {

// A graph copies between the client's memory and what the lease allows, so no more than that stands here at a
// time, and something for small leases.
std::uint64_t most_slot_bytes(Session& session) {
  std::uint64_t bytes = std::uint64_t{256} << 20;
  for (unsigned device = 0; device < session.gpus(); ++device) bytes += session.ledger().limit(device);
  return bytes;
}

}  // namespace

void Graphs::Holdings::add(const Holdings& other) {
  slots.insert(other.slots.begin(), other.slots.end());
  memory.insert(other.memory.begin(), other.memory.end());
  freed.insert(other.freed.begin(), other.freed.end());
}

Graphs::Graphs(Session& session)
    : session_(session),
      slots_(session.driver(), most_slot_bytes(session),
             [&session](std::unique_ptr<PinnedMemory> memory) {
               session.later(
                   [held = std::shared_ptr<PinnedMemory>(std::move(memory))]() mutable { held.reset(); });
             }),
      last_id_(wire::kFirstServerId) {}

Graphs::~Graphs() { stop(); }

void Graphs::stop() {
  ending_ = true;
  captures_ = 0;
  slots_.stop();
}

// ---- names

void Graphs::add_graph(std::uint64_t id, CUgraph handle, std::uint64_t parent) {
  session_.adopt(wire::Kind::graph, id, handle, 0, 0);
  graphs_[id] = {.handle = handle, .parent = parent};
  graph_names_[handle] = id;
  if (parent != 0) graph(parent).inner.insert(id);
}

void Graphs::add_node(std::uint64_t id, CUgraphNode handle, std::uint64_t graph_id) {
  session_.adopt(wire::Kind::graph_node, id, handle, 0, 0);
  nodes_[id] = {.handle = handle, .graph = graph_id};
  node_names_[handle] = id;
  graph(graph_id).nodes.insert(id);
}

std::uint64_t Graphs::name_graph(CUgraph handle, std::uint64_t parent) {
  if (handle == nullptr) return wire::kNullHandle;
  if (const auto found = graph_names_.find(handle); found != graph_names_.end()) return found->second;
  const std::uint64_t id = ++last_id_;
  add_graph(id, handle, parent);
  return id;
}

std::uint64_t Graphs::node_name(CUgraphNode handle) const {
  const auto found = node_names_.find(handle);
  return found != node_names_.end() ? found->second : wire::kNullHandle;
}

std::uint64_t Graphs::name_node(CUgraphNode handle, std::uint64_t graph) {
  if (handle == nullptr) return wire::kNullHandle;
  if (const std::uint64_t id = node_name(handle); id != wire::kNullHandle) return id;
  const std::uint64_t id = ++last_id_;
  add_node(id, handle, graph);
  return id;
}

Graphs::Graph& Graphs::graph(std::uint64_t id) {
  const auto found = graphs_.find(id);
  if (found == graphs_.end()) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  return found->second;
}

Graphs::Node& Graphs::node(std::uint64_t id) {
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  return found->second;
}

Graphs::Exec& Graphs::exec(std::uint64_t id) {
  const auto found = execs_.find(id);
  if (found == execs_.end()) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  return found->second;
}

std::uint64_t Graphs::name_inner(CUgraph handle, std::uint64_t id) {
  Node& holder = node(id);
  const std::uint64_t inner = name_graph(handle, holder.graph);
  if (inner != wire::kNullHandle) holder.inner.insert(inner);
  return inner;
}

void Graphs::forget_inner(std::uint64_t id) {
  const std::set<std::uint64_t> ended = std::move(node(id).inner);
  node(id).inner.clear();
  for (const std::uint64_t inner : ended) forget_graph(inner);
}

void Graphs::forget_node(std::uint64_t id) {
  if (!nodes_.contains(id)) return;
  forget_inner(id);
  const auto found = nodes_.find(id);
  if (const auto holder = graphs_.find(found->second.graph); holder != graphs_.end())
    holder->second.nodes.erase(id);
  node_names_.erase(found->second.handle);
  session_.handles().drop(wire::Kind::graph_node, id);
  nodes_.erase(found);
}

void Graphs::forget_graph(std::uint64_t id) {
  const auto found = graphs_.find(id);
  if (found == graphs_.end()) return;
  const Graph ended = std::move(found->second);
  graphs_.erase(found);
  for (const std::uint64_t node : ended.nodes) forget_node(node);
  for (const std::uint64_t inner : ended.inner) forget_graph(inner);
  if (const auto parent = graphs_.find(ended.parent); parent != graphs_.end()) parent->second.inner.erase(id);
  graph_names_.erase(ended.handle);
  session_.handles().drop(wire::Kind::graph, id);
}

void Graphs::add_exec(std::uint64_t id, CUgraphExec handle, Holdings holdings) {
  session_.adopt(wire::Kind::graph_exec, id, handle, 0, 0);
  execs_[id].holdings = std::move(holdings);
}

void Graphs::forget_exec(std::uint64_t id) {
  execs_.erase(id);
  session_.handles().drop(wire::Kind::graph_exec, id);
}

Graphs::Holdings Graphs::holdings(std::uint64_t id) {
  const Graph& from = graph(id);
  Holdings all = from.holdings;
  for (const std::uint64_t inner : from.inner) all.add(holdings(inner));
  return all;
}

// ---- memory

Graphs::Memory Graphs::allocate(unsigned device, std::uint64_t size) {
  worker::Memory& memory = session_.memory();
  std::uint64_t address = 0;
  CUresult result = memory.allocate(device, size, 0, &address);
  // What was freed may still rest. It is waited for only where that takes no time.
  if (result == CUDA_ERROR_OUT_OF_MEMORY && session_.reclaimer().pending() && session_.gpu_is_idle()) {
    session_.reclaimer().flush();
    result = memory.allocate(device, size, 0, &address);
  }
  if (result != CUDA_SUCCESS) throw CudaError{result};
  const auto end = [this](Allocation* last) {
    const std::unique_ptr<Allocation> allocation(last);
    if (ending_) return;
    memory_.erase(allocation->address);
    uses_[allocation->device].used -= worker::Memory::rounded(allocation->size);
    slots_.memory_ended(allocation->address);
    worker::Memory::Block block{};
    if (session_.memory().retire(allocation->address, &block))
      session_.reclaimer().add(allocation->address, block);
  };
  const Memory made(new Allocation{address, size, device}, end);
  memory_[address] = made;
  Use& use = uses_[device];
  use.used += worker::Memory::rounded(size);
  use.high = std::max(use.high, use.used);
  return made;
}

Graphs::Memory Graphs::find_memory(std::uint64_t address) const {
  const auto found = memory_.find(address);
  return found != memory_.end() ? found->second.lock() : nullptr;
}

bool Graphs::free(std::uint64_t address) {
  if (!memory_.contains(address)) return false;
  left_allocated_.erase(address);
  return true;
}

void Graphs::launched(const Exec& exec) {
  for (const auto& [address, memory] : exec.holdings.memory) left_allocated_[address] = memory;
  for (const std::uint64_t address : exec.holdings.freed) left_allocated_.erase(address);
}

// ---- captures

void Graphs::begin_capture(std::uint64_t stream, std::uint64_t graph, bool of_client) {
  in_flight_[stream] = {graph, of_client};
  captures_ = static_cast<int>(in_flight_.size());
}

std::optional<Graphs::Capture> Graphs::capture(std::uint64_t stream) const {
  const auto found = in_flight_.find(stream);
  return found != in_flight_.end() ? std::optional(found->second) : std::nullopt;
}

void Graphs::end_capture(std::uint64_t stream) {
  in_flight_.erase(stream);
  captures_ = static_cast<int>(in_flight_.size());
}

void Graphs::end_stream(std::uint64_t stream) {
  const auto ended = capture(stream);
  if (!ended) return;
  end_capture(stream);
  if (!ended->of_client) forget_graph(ended->graph);
}

bool Graphs::is_captured_into(std::uint64_t graph) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(),
                     [graph](const auto& item) { return item.second.graph == graph; });
}

std::uint64_t Graphs::captured_by(CUstream stream) {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  CUgraph handle = nullptr;
  const CUresult result =
      call(session_.driver().cuStreamGetCaptureInfo_v2, stream, &status, static_cast<cuuint64_t*>(nullptr),
           &handle, static_cast<const CUgraphNode**>(nullptr), static_cast<std::size_t*>(nullptr));
  if (result != CUDA_SUCCESS) throw CudaError{result};
  if (status == CU_STREAM_CAPTURE_STATUS_INVALIDATED) throw CudaError{CUDA_ERROR_STREAM_CAPTURE_INVALIDATED};
  return status == CU_STREAM_CAPTURE_STATUS_ACTIVE ? name_graph(handle, 0) : 0;
}

}  // namespace worker
