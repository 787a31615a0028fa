// SPDX-License-Identifier: BSD-3-Clause
#include "worker/graph_params.h"

#include <cstring>

#include "wire/extent.h"
#include "wire/memory_messages.h"
#include "worker/copy_sides.h"
#include "worker/memory_operations.h"

namespace worker {

// ---- copies

namespace {

wire::Copy3D plain(const wire::CopyNode& from) {
  wire::Copy3D out;
  out.width_bytes = from.width_bytes;
  out.height = from.height;
  out.depth = from.depth;
  out.destination = from.destination;
  out.source = from.source;
  out.destination_array = from.destination_array;
  out.source_array = from.source_array;
  return out;
}

}  // namespace

GraphCopy::GraphCopy(Session& session, const wire::CopyNode& message) {
  const wire::Copy3D shape = plain(message);
  const std::uint64_t size = wire::rows(shape.depth, wire::rows(shape.width_bytes, shape.height));
  if (size == 0) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  if (message.destination_slot == 0) check_side(session, shape, worker::destination(shape));
  if (message.source_slot == 0) check_side(session, shape, worker::source(shape));
  copy = extent(shape);
  HostSlots& slots = session.graphs().slots();
  if (message.destination_slot != 0) {
    destination = slots.create(message.destination_slot, size, true);
    copy.dstMemoryType = CU_MEMORYTYPE_HOST;
    copy.dstHost = destination->memory->data();
    copy.dstPitch = shape.width_bytes;
    copy.dstHeight = shape.height;
  } else {
    set_side(session, copy, worker::destination(shape));
  }
  if (message.source_slot != 0) {
    source = slots.create(message.source_slot, size, false);
    copy.srcMemoryType = CU_MEMORYTYPE_HOST;
    copy.srcHost = source->memory->data();
    copy.srcPitch = shape.width_bytes;
    copy.srcHeight = shape.height;
  } else {
    set_side(session, copy, worker::source(shape));
  }
}

void GraphCopy::hold(Graphs::Holdings& by) const {
  if (destination) by.slots.emplace(destination->id, destination);
  if (source) by.slots.emplace(source->id, source);
}

// ---- from the client

NodeParams::NodeParams(Session& session, const wire::GraphNode& message) {
  context = session.current_handle();
  params.type = static_cast<CUgraphNodeType>(message.type);
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      set_kernel(session, message.kernel);
      break;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      set_copy(session, message.copy);
      break;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      set_memset(session, message.memset);
      break;
    case CU_GRAPH_NODE_TYPE_HOST:
      params.host.fn = HostFunctions::function();
      params.host.userData = HostFunctions::data(message.token, HostFunctions::Lifetime::kept);
      break;
    case CU_GRAPH_NODE_TYPE_GRAPH:
      params.graph.graph = session.graphs().graph(message.graph).handle;
      params.graph.ownership = static_cast<CUgraphChildGraphNodeOwnership>(message.ownership);
      break;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      static_assert(offsetof(CUDA_EVENT_WAIT_NODE_PARAMS, event) ==
                    offsetof(CUDA_EVENT_RECORD_NODE_PARAMS, event));
      params.eventWait.event = session.handle<CUevent>(wire::Kind::event, message.event);
      break;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      set_operations(session, message);
      break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      set_conditional(message.conditional);
      break;
    case CU_GRAPH_NODE_TYPE_EMPTY:
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:  // ours: an empty node to the driver
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      params.type = CU_GRAPH_NODE_TYPE_EMPTY;
      break;
    default:
      throw CudaError{CUDA_ERROR_NOT_SUPPORTED};
  }
}

void NodeParams::set_kernel(Session& session, const wire::KernelNode& from) {
  const Handles::Entry entry = session.handles().entry(wire::Kind::function, from.function);
  if (entry.handle == nullptr) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  if (from.params.size() > packed_.size() - 64 ||
      entry.param_bytes > static_cast<std::int64_t>(from.params.size()))
    throw CudaError{CUDA_ERROR_INVALID_VALUE};
  // A driver that knows better than we how much the kernel takes finds zeros, not memory of ours.
  std::memcpy(packed_.data(), from.params.data(), from.params.size());
  packed_size_ = from.params.size();
  extra_ = {CU_LAUNCH_PARAM_BUFFER_POINTER, packed_.data(), CU_LAUNCH_PARAM_BUFFER_SIZE, &packed_size_,
            CU_LAUNCH_PARAM_END};
  CUDA_KERNEL_NODE_PARAMS_v3& to = params.kernel;
  // A kernel of a library belongs to no context.
  if (entry.context == 0) {
    to.kern = static_cast<CUkernel>(entry.handle);
    to.ctx = context;
  } else {
    to.func = static_cast<CUfunction>(entry.handle);
  }
  to.gridDimX = from.grid[0], to.gridDimY = from.grid[1], to.gridDimZ = from.grid[2];
  to.blockDimX = from.block[0], to.blockDimY = from.block[1], to.blockDimZ = from.block[2];
  to.sharedMemBytes = from.shared_bytes;
  to.extra = packed_size_ != 0 ? extra_.data() : nullptr;
}

void NodeParams::set_copy(Session& session, const wire::CopyNode& from) {
  GraphCopy copy(session, from);
  params.memcpy.copyParams = copy.copy;
  params.memcpy.copyCtx = context;
  destination = std::move(copy.destination);
  source = std::move(copy.source);
}

void NodeParams::set_memset(Session& session, const wire::MemsetNode& from) {
  if (from.element_size != 1 && from.element_size != 2 && from.element_size != 4)
    throw CudaError{CUDA_ERROR_INVALID_VALUE};
  session.check_device(from.address, wire::pitched(from.pitch, from.element_size, from.width, from.height));
  params.memset = {from.address, from.pitch, from.value, from.element_size, from.width, from.height, context};
}

void NodeParams::set_operations(Session& session, const wire::GraphNode& from) {
  if (from.operations.size() % sizeof(CUstreamBatchMemOpParams) != 0)
    throw wire::Malformed("a batch of operations has half an operation");
  const std::size_t count = from.operations.size() / sizeof(CUstreamBatchMemOpParams);
  if (count > kMostMemoryOperations) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  operations_.resize(count);
  std::memcpy(operations_.data(), from.operations.data(), from.operations.size());
  for (const CUstreamBatchMemOpParams& operation : operations_) check_memory_operation(session, operation);
  params.memOp = {context, static_cast<unsigned>(count), operations_.data(), from.flags};
}

void NodeParams::set_conditional(const wire::ConditionalNode& from) {
  constexpr unsigned kMostBodies = 4096;
  if (from.size == 0 || from.size > kMostBodies) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  bodies.resize(from.size);
  params.conditional.handle = from.handle;
  params.conditional.type = static_cast<CUgraphConditionalNodeType>(from.type);
  params.conditional.size = from.size;
  params.conditional.ctx = context;
}

// ---- to the client

namespace {

void must(CUresult result) {
  if (result != CUDA_SUCCESS) throw CudaError{result};
}

CUresult param_info(const DriverTable& driver, const CUDA_KERNEL_NODE_PARAMS_v2& kernel, std::size_t index,
                    std::size_t* offset, std::size_t* size) {
  return kernel.func != nullptr ? call(driver.cuFuncGetParamInfo, kernel.func, index, offset, size)
                                : call(driver.cuKernelGetParamInfo, kernel.kern, index, offset, size);
}

// The driver hands out a pointer for each parameter; how long each is, it must tell itself.
std::vector<std::byte> packed_params(const DriverTable& driver, const CUDA_KERNEL_NODE_PARAMS_v2& kernel) {
  constexpr std::size_t kMost = 32768;
  std::vector<std::byte> packed;
  if (kernel.kernelParams == nullptr) return packed;
  for (std::size_t index = 0;; ++index) {
    std::size_t offset = 0, size = 0;
    const CUresult result = param_info(driver, kernel, index, &offset, &size);
    if (result == CUDA_ERROR_NOT_SUPPORTED) throw CudaError{result};
    if (result != CUDA_SUCCESS) return packed;
    if (offset > kMost || size > kMost - offset) throw CudaError{CUDA_ERROR_UNKNOWN};
    packed.resize(std::max(packed.size(), offset + size));
    std::memcpy(packed.data() + offset, kernel.kernelParams[index], size);
  }
}

// A captured launch of a library's kernel is a function of the context to the driver.
std::uint64_t function_name(Session& session, const CUDA_KERNEL_NODE_PARAMS_v2& kernel) {
  Handles& handles = session.handles();
  for (void* handle : {static_cast<void*>(kernel.func), static_cast<void*>(kernel.kern)}) {
    if (handle == nullptr) continue;
    if (const std::uint64_t id = handles.name(wire::Kind::function, handle)) return id;
  }
  for (void* handle : handles.all(wire::Kind::function, 0)) {
    CUfunction function = nullptr;
    const CUresult result =
        call(session.driver().cuKernelGetFunction, &function, static_cast<CUkernel>(handle));
    if (result == CUDA_SUCCESS && function == kernel.func) return handles.name(wire::Kind::function, handle);
  }
  throw CudaError{CUDA_ERROR_INVALID_VALUE};
}

void show_kernel(Session& session, CUgraphNode node, ShownNode& shown) {
  CUDA_KERNEL_NODE_PARAMS_v2 kernel{};
  const DriverTable& driver = session.driver();
  must(call(driver.cuGraphKernelNodeGetParams_v2, node, &kernel));
  shown.storage = packed_params(driver, kernel);
  shown.message.kernel = {function_name(session, kernel),
                          {kernel.gridDimX, kernel.gridDimY, kernel.gridDimZ},
                          {kernel.blockDimX, kernel.blockDimY, kernel.blockDimZ},
                          kernel.sharedMemBytes,
                          shown.storage};
}

// Where a side of a copy is: in a slot, an array, or device memory, which may also be told as a unified
// address.
struct DriverSide {
  CUmemorytype type;
  const void* host;
  CUdeviceptr device;
  CUarray array;
  std::size_t x, y, z, pitch, height;
};

std::uint64_t show_side(Session& session, const DriverSide& side, wire::Pitched& memory,
                        wire::ArrayPlace& place) {
  if (side.type == CU_MEMORYTYPE_ARRAY) {
    place = {session.handles().name(wire::Kind::array, side.array), side.x, side.y, side.z};
    return 0;
  }
  const auto base =
      side.type == CU_MEMORYTYPE_HOST ? reinterpret_cast<std::uint64_t>(side.host) : side.device;
  if (const auto slot = session.graphs().slots().at(reinterpret_cast<const void*>(base))) return slot->id;
  const std::uint64_t slice = side.pitch * side.height;
  memory = {base + side.x + side.y * side.pitch + side.z * slice, side.pitch, slice};
  return 0;
}

void show_copy(Session& session, CUgraphNode node, wire::CopyNode& shown) {
  CUDA_MEMCPY3D copy{};
  must(call(session.driver().cuGraphMemcpyNodeGetParams, node, &copy));
  shown.width_bytes = copy.WidthInBytes;
  shown.height = copy.Height;
  shown.depth = copy.Depth;
  shown.destination_slot = show_side(session,
                                     {copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstArray,
                                      copy.dstXInBytes, copy.dstY, copy.dstZ, copy.dstPitch, copy.dstHeight},
                                     shown.destination, shown.destination_array);
  shown.source_slot = show_side(session,
                                {copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcArray,
                                 copy.srcXInBytes, copy.srcY, copy.srcZ, copy.srcPitch, copy.srcHeight},
                                shown.source, shown.source_array);
}

std::uint64_t event_of(Session& session, CUgraphNode node, bool wait) {
  CUevent event = nullptr;
  const DriverTable& driver = session.driver();
  must(wait ? call(driver.cuGraphEventWaitNodeGetEvent, node, &event)
            : call(driver.cuGraphEventRecordNodeGetEvent, node, &event));
  return session.handles().name(wire::Kind::event, event);
}

void show_operations(Session& session, CUgraphNode node, ShownNode& shown) {
  CUDA_BATCH_MEM_OP_NODE_PARAMS batch{};
  must(call(session.driver().cuGraphBatchMemOpNodeGetParams, node, &batch));
  const auto bytes = std::as_bytes(std::span(batch.paramArray, batch.count));
  shown.storage.assign(bytes.begin(), bytes.end());
  shown.message.operations = shown.storage;
  shown.message.flags = batch.flags;
}

void show_memset(Session& session, CUgraphNode node, wire::MemsetNode& shown) {
  CUDA_MEMSET_NODE_PARAMS from{};
  must(call(session.driver().cuGraphMemsetNodeGetParams, node, &from));
  shown = {from.dst, from.pitch, from.value, from.elementSize, from.width, from.height};
}

std::uint64_t child_of(Session& session, std::uint64_t node) {
  CUgraph child = nullptr;
  must(call(session.driver().cuGraphChildGraphNodeGetGraph, session.graphs().node(node).handle, &child));
  return session.graphs().name_inner(child, node);
}

}  // namespace

void show_node(Session& session, std::uint64_t id, ShownNode& shown) {
  const Graphs::Node& node = session.graphs().node(id);
  wire::GraphNode& message = shown.message;
  if (node.memory) {
    message.type = static_cast<std::uint32_t>(node.memory->type);
    message.address = node.memory->what.address;
    message.size = node.memory->what.size;
    message.device = static_cast<std::int32_t>(node.memory->what.device);
    return;
  }
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  must(call(session.driver().cuGraphNodeGetType, node.handle, &type));
  message.type = static_cast<std::uint32_t>(type);
  switch (type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return show_kernel(session, node.handle, shown);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return show_copy(session, node.handle, message.copy);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return show_memset(session, node.handle, message.memset);
    case CU_GRAPH_NODE_TYPE_HOST: {
      CUDA_HOST_NODE_PARAMS host{};
      must(call(session.driver().cuGraphHostNodeGetParams, node.handle, &host));
      message.token = HostFunctions::token(host.userData);
      return;
    }
    case CU_GRAPH_NODE_TYPE_GRAPH:
      message.graph = child_of(session, id);
      return;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      message.event = event_of(session, node.handle, type == CU_GRAPH_NODE_TYPE_WAIT_EVENT);
      return;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return show_operations(session, node.handle, shown);
    default:
      return;
  }
}

std::vector<HostSlots::Handle> slots_of(Session& session, CUgraphNode node) {
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  CUDA_MEMCPY3D copy{};
  const DriverTable& driver = session.driver();
  std::vector<HostSlots::Handle> found;
  if (call(driver.cuGraphNodeGetType, node, &type) != CUDA_SUCCESS || type != CU_GRAPH_NODE_TYPE_MEMCPY ||
      call(driver.cuGraphMemcpyNodeGetParams, node, &copy) != CUDA_SUCCESS)
    return found;
  for (const void* memory : {static_cast<const void*>(copy.dstHost), copy.srcHost}) {
    if (auto slot = session.graphs().slots().at(memory)) found.push_back(std::move(slot));
  }
  return found;
}

}  // namespace worker
