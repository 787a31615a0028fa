// SPDX-License-Identifier: BSD-3-Clause
#include "shim/graph_nodes.h"

#include <cstring>

#include "shim/devices.h"
#include "shim/events.h"
#include "shim/host_functions.h"
#include "shim/host_slots.h"
#include "shim/launch.h"
#include "shim/memory.h"
#include "shim/request.h"
#include "wire/code_messages.h"
#include "wire/memory_messages.h"

namespace shim::graph_nodes {
namespace {

// The program's own memory becomes a slot.
uint64_t slot_of(const copies::Box& box, const copies::Side& side, bool writable) {
  if (side.device) return 0;
  return host_slots::add({side, box.width, box.height, box.depth, writable});
}

}  // namespace

CopySlots::CopySlots(const copies::Box& box) {
  node_.width_bytes = box.width;
  node_.height = box.height;
  node_.depth = box.depth;
  box.destination.write(0, 0, &node_.destination, &node_.destination_array);
  box.source.write(0, 0, &node_.source, &node_.source_array);
  node_.destination_slot = slot_of(box, box.destination, true);
  node_.source_slot = slot_of(box, box.source, false);
}

CopySlots::~CopySlots() {
  if (kept_) return;
  if (node_.destination_slot) host_slots::drop(node_.destination_slot);
  if (node_.source_slot) host_slots::drop(node_.source_slot);
}

// ---- to the worker

Outgoing::Outgoing(const CUgraphNodeParams& params) : context_(current_context()) {
  node_.type = static_cast<uint32_t>(params.type);
  set(params);
}

void Outgoing::set(const CUgraphNodeParams& params) {
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return set(params.kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return set(params.memcpy);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return set(params.memset);
    case CU_GRAPH_NODE_TYPE_HOST:
      return set(params.host);
    case CU_GRAPH_NODE_TYPE_GRAPH:
      node_.graph = id_of(params.graph.graph);
      node_.ownership = static_cast<uint32_t>(params.graph.ownership);
      return;
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      node_.event = id_of(params.eventWait.event);
      return;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      node_.event = id_of(params.eventRecord.event);
      events::note_foreign(params.eventRecord.event);
      return;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return set(params.alloc);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      node_.address = params.free.dptr;
      return;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return set(params.memOp);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return set(params.conditional);
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT:
      throw Failure{CUDA_ERROR_NOT_SUPPORTED};
    default:
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
}

Outgoing::~Outgoing() {
  if (!kept_ && node_.token) host_functions::forget(node_.token);
}

void Outgoing::keep() {
  kept_ = true;
  if (slots_) slots_->keep();
}

void Outgoing::set(const CUDA_KERNEL_NODE_PARAMS_v3& from) {
  const auto handle = from.func ? from.func : reinterpret_cast<CUfunction>(from.kern);
  const FunctionObject* function = object_of(handle);
  if (from.ctx) context_ = object_of(from.ctx);
  if (!context_) context_ = function->context;
  node_.kernel = {function->id,
                  {from.gridDimX, from.gridDimY, from.gridDimZ},
                  {from.blockDimX, from.blockDimY, from.blockDimZ},
                  from.sharedMemBytes,
                  kernel_parameters(function, from.kernelParams, from.extra)};
}

void Outgoing::set(const CUDA_MEMCPY_NODE_PARAMS& from) {
  if (from.copyCtx) context_ = object_of(from.copyCtx);
  const copies::Box box = copies::box_of(from.copyParams);
  require(box.width > 0 && box.height > 0 && box.depth > 0, CUDA_ERROR_INVALID_VALUE);
  copies::check(box);
  slots_ = std::make_unique<CopySlots>(box);
  node_.copy = slots_->node();
}

void Outgoing::set(const CUDA_MEMSET_NODE_PARAMS_v2& from) {
  if (from.ctx) context_ = object_of(from.ctx);
  node_.memset = {from.dst, from.pitch, from.value, from.elementSize, from.width, from.height};
}

void Outgoing::set(const CUDA_HOST_NODE_PARAMS_v2& from) {
  node_.token = host_functions::remember(from.fn, from.userData, host_functions::Lifetime::kept);
}

void Outgoing::set(const CUDA_MEM_ALLOC_NODE_PARAMS_v2& from) {
  const CUmemPoolProps& pool = from.poolProps;
  require(pool.allocType == CU_MEM_ALLOCATION_TYPE_PINNED && pool.handleTypes == CU_MEM_HANDLE_TYPE_NONE,
          CUDA_ERROR_INVALID_VALUE);
  require(pool.location.type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_NOT_SUPPORTED);
  node_.device = devices::lease_ordinal(pool.location.id);
  node_.size = from.bytesize;
}

void Outgoing::set(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2& from) {
  if (from.ctx) context_ = object_of(from.ctx);
  require(from.count == 0 || from.paramArray, CUDA_ERROR_INVALID_VALUE);
  node_.operations = std::as_bytes(std::span(from.paramArray, from.count));
  node_.flags = from.flags;
}

void Outgoing::set(const CUDA_CONDITIONAL_NODE_PARAMS& from) {
  if (from.ctx) context_ = object_of(from.ctx);
  node_.conditional = {from.handle, static_cast<uint32_t>(from.type), from.size};
}

// ---- from the worker

namespace {

void show_kernel(const wire::KernelNode& from, ShownParams& shown, CUDA_KERNEL_NODE_PARAMS_v3& to) {
  to.func = function_named(from.function);
  require(to.func != nullptr, CUDA_ERROR_INVALID_VALUE);
  const FunctionObject* function = object_of(to.func);
  to.gridDimX = from.grid[0], to.gridDimY = from.grid[1], to.gridDimZ = from.grid[2];
  to.blockDimX = from.block[0], to.blockDimY = from.block[1], to.blockDimZ = from.block[2];
  to.sharedMemBytes = from.shared_bytes;
  shown.packed.assign(from.params.begin(), from.params.end());
  shown.packed.resize(std::max<size_t>(shown.packed.size(), function->param_bytes));
  shown.pointers.clear();
  for (const wire::KernelParam& param : function->params)
    shown.pointers.push_back(shown.packed.data() + param.offset);
  to.kernelParams = shown.pointers.empty() ? nullptr : shown.pointers.data();
}

// The rows of a slice, as CUDA counts the distance between slices.
size_t slice_rows(uint64_t pitch, uint64_t slice_pitch, uint64_t otherwise) {
  return pitch ? slice_pitch / pitch : otherwise;
}

copies::Side side_of(uint64_t slot, const wire::Pitched& memory, const wire::ArrayPlace& array) {
  require(array.array == 0, CUDA_ERROR_NOT_SUPPORTED);
  if (!slot) return {true, memory.address, memory.pitch, memory.slice_pitch};
  const auto found = host_slots::find(slot);
  require(found.has_value(), CUDA_ERROR_INVALID_VALUE);
  return found->side;
}

void show_copy(const wire::CopyNode& from, CUDA_MEMCPY3D& to) {
  to.WidthInBytes = from.width_bytes;
  to.Height = from.height;
  to.Depth = from.depth;
  const copies::Side source = side_of(from.source_slot, from.source, from.source_array);
  to.srcMemoryType = source.device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
  if (source.device)
    to.srcDevice = source.address;
  else
    to.srcHost = reinterpret_cast<const void*>(source.address);
  to.srcPitch = source.pitch;
  to.srcHeight = slice_rows(source.pitch, source.slice_pitch, from.height);
  const copies::Side destination = side_of(from.destination_slot, from.destination, from.destination_array);
  to.dstMemoryType = destination.device ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
  if (destination.device)
    to.dstDevice = destination.address;
  else
    to.dstHost = reinterpret_cast<void*>(destination.address);
  to.dstPitch = destination.pitch;
  to.dstHeight = slice_rows(destination.pitch, destination.slice_pitch, from.height);
}

void show_allocation(const wire::GraphNode& from, ShownParams& shown, CUDA_MEM_ALLOC_NODE_PARAMS_v2& to) {
  to.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  to.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, {devices::visible_ordinal(from.device)}};
  shown.access = {to.poolProps.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
  to.accessDescs = &shown.access;
  to.accessDescCount = 1;
  to.bytesize = from.size;
  to.dptr = from.address;
}

void show_operations(const wire::GraphNode& from, ShownParams& shown, CUDA_BATCH_MEM_OP_NODE_PARAMS_v2& to) {
  shown.operations.resize(from.operations.size() / sizeof(CUstreamBatchMemOpParams));
  std::memcpy(shown.operations.data(), from.operations.data(),
              shown.operations.size() * sizeof(CUstreamBatchMemOpParams));
  to.count = static_cast<unsigned>(shown.operations.size());
  to.paramArray = shown.operations.data();
  to.flags = from.flags;
}

}  // namespace

CUgraphNodeParams shown(GraphNodeObject* node) {
  Request request(Opcode::GraphGetParams, Context::any);
  request.fields(wire::GraphGetParams{node->id});
  const Reply reply = request.wait();
  const auto from = reply.decoder().take<wire::GraphGetParams::Reply>().params;
  if (!node->shown) node->shown = std::make_unique<ShownParams>();
  CUgraphNodeParams to{};
  to.type = static_cast<CUgraphNodeType>(from.type);
  const auto context = reinterpret_cast<CUcontext>(current_context());
  switch (to.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      show_kernel(from.kernel, *node->shown, to.kernel);
      to.kernel.ctx = context;
      break;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      show_copy(from.copy, to.memcpy.copyParams);
      to.memcpy.copyCtx = context;
      break;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      to.memset = {from.memset.address,
                   from.memset.pitch,
                   from.memset.value,
                   from.memset.element_size,
                   from.memset.width,
                   from.memset.height,
                   context};
      break;
    case CU_GRAPH_NODE_TYPE_HOST: {
      const auto function = host_functions::find(from.token);
      to.host.fn = function.function;
      to.host.userData = function.user;
      break;
    }
    case CU_GRAPH_NODE_TYPE_GRAPH:
      to.graph.graph = graphs::graph_handle(from.graph, node->graph);
      break;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      // An event that a capture recorded is known to the worker alone.
      require(node->event && id_of(node->event) == from.event, CUDA_ERROR_NOT_SUPPORTED);
      to.eventWait.event = node->event;
      break;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      show_allocation(from, *node->shown, to.alloc);
      break;
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      to.free.dptr = from.address;
      break;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      show_operations(from, *node->shown, to.memOp);
      to.memOp.ctx = context;
      break;
    default:
      break;
  }
  return to;
}

}  // namespace shim::graph_nodes
