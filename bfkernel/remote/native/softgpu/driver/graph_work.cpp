// SPDX-License-Identifier: BSD-3-Clause
#include "graph_work.h"

#include <atomic>

#include "copy.h"
#include "graph.h"
#include "library.h"
#include "memory.h"
#include "memory_ops.h"
#include "memset.h"

namespace softgpu::driver {
namespace {

template <typename... Bodies>
struct Overloaded : Bodies... {
  using Bodies::operator()...;
};

std::atomic_ref<unsigned> word(uint64_t address) {
  return std::atomic_ref<unsigned>(*reinterpret_cast<unsigned*>(address));
}

}  // namespace

CUgraphNodeType type_of(const Work& work) {
  static constexpr CUgraphNodeType types[] = {
      CU_GRAPH_NODE_TYPE_KERNEL,     CU_GRAPH_NODE_TYPE_MEMCPY,       CU_GRAPH_NODE_TYPE_MEMSET,
      CU_GRAPH_NODE_TYPE_HOST,       CU_GRAPH_NODE_TYPE_GRAPH,        CU_GRAPH_NODE_TYPE_EMPTY,
      CU_GRAPH_NODE_TYPE_WAIT_EVENT, CU_GRAPH_NODE_TYPE_EVENT_RECORD, CU_GRAPH_NODE_TYPE_MEM_ALLOC,
      CU_GRAPH_NODE_TYPE_MEM_FREE,   CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, CU_GRAPH_NODE_TYPE_CONDITIONAL};
  static_assert(std::size(types) == std::variant_size_v<Work>);
  return types[work.index()];
}

KernelWork kernel_work(CUfunction function, Launch launch, KernelAttributes attributes) {
  KernelWork work;
  bool is_kernel = registry<LibraryKernel>().find(reinterpret_cast<CUkernel>(function)) != nullptr;
  work.function = is_kernel ? launch.function->handle() : function;
  work.kernel = nullptr;
  const KernelInfo& info = softgpu::info(*launch.function->kernel);
  // Whoever asks for the parameters gets pointers into the launch, which live as long as the node keeps it.
  for (const ParamInfo& param : info.params) work.pointers.push_back(launch.params.data() + param.offset);
  if (launch.config.cooperative) attributes[CU_LAUNCH_ATTRIBUTE_COOPERATIVE].cooperative = 1;
  work.launch = std::make_shared<const Launch>(std::move(launch));
  work.attributes = std::move(attributes);
  return work;
}

KernelWork kernel_work(const CUDA_KERNEL_NODE_PARAMS& params, KernelAttributes attributes) {
  std::shared_ptr<Context> context = context_of(params.ctx);
  context->check();
  CUfunction function = params.func ? params.func : reinterpret_cast<CUfunction>(params.kern);
  require(function != nullptr);
  LaunchShape shape = {{params.gridDimX, params.gridDimY, params.gridDimZ},
                       {params.blockDimX, params.blockDimY, params.blockDimZ},
                       params.sharedMemBytes,
                       false};
  for (const auto& [id, value] : attributes) {
    CUlaunchAttribute attribute = {};
    attribute.id = id;
    attribute.value = value;
    apply(attribute, &shape);
  }
  KernelWork work =
      kernel_work(function, prepare_launch(context, function, shape, params.kernelParams, params.extra),
                  std::move(attributes));
  if (!params.func) {
    work.function = nullptr;
    work.kernel = params.kern;
  }
  return work;
}

CUDA_KERNEL_NODE_PARAMS params_of(KernelWork& work) {
  const LaunchConfig& config = work.launch->config;
  CUDA_KERNEL_NODE_PARAMS params = {};
  params.func = work.function;
  params.kern = work.kernel;
  params.gridDimX = config.grid[0];
  params.gridDimY = config.grid[1];
  params.gridDimZ = config.grid[2];
  params.blockDimX = config.block[0];
  params.blockDimY = config.block[1];
  params.blockDimZ = config.block[2];
  params.sharedMemBytes = config.dynamic_shared_bytes;
  params.kernelParams = work.pointers.empty() ? nullptr : work.pointers.data();
  params.ctx = work.launch->context->handle();
  return params;
}

CopyWork copy_work(const CUDA_MEMCPY3D& copy, CUcontext handle) {
  std::shared_ptr<Context> context = context_of(handle);
  plan_copy(*context, copy, When::later);
  return {std::move(context), copy};
}

CopyWork copy_work(const std::shared_ptr<Context>& context, CUdeviceptr dst, CUdeviceptr src, size_t size) {
  auto type = [](CUdeviceptr address) {
    std::optional<Range> range = AddressSpace::instance().find(address);
    return range && !range->is_host() ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
  };
  CUDA_MEMCPY3D copy = {};
  copy.dstMemoryType = type(dst);
  copy.dstDevice = copy.dstMemoryType == CU_MEMORYTYPE_DEVICE ? dst : 0;
  copy.dstHost = copy.dstMemoryType == CU_MEMORYTYPE_HOST ? reinterpret_cast<void*>(dst) : nullptr;
  copy.srcMemoryType = type(src);
  copy.srcDevice = copy.srcMemoryType == CU_MEMORYTYPE_DEVICE ? src : 0;
  copy.srcHost = copy.srcMemoryType == CU_MEMORYTYPE_HOST ? reinterpret_cast<void*>(src) : nullptr;
  copy.WidthInBytes = size;
  copy.Height = copy.Depth = 1;
  return {context, copy};
}

FillWork fill_work(const CUDA_MEMSET_NODE_PARAMS& fill, CUcontext handle) {
  std::shared_ptr<Context> context = context_of(handle);
  plan_fill(*context, fill, When::later);
  return {std::move(context), fill};
}

HostWork host_work(const CUDA_HOST_NODE_PARAMS& params) {
  require(params.fn != nullptr);
  return {params.fn, params.userData};
}

AllocWork alloc_work(const CUDA_MEM_ALLOC_NODE_PARAMS& params) {
  require(params.bytesize > 0 && params.poolProps.allocType == CU_MEM_ALLOCATION_TYPE_PINNED);
  require(params.poolProps.location.type == CU_MEM_LOCATION_TYPE_DEVICE);
  require(params.poolProps.handleTypes == CU_MEM_HANDLE_TYPE_NONE, CUDA_ERROR_NOT_SUPPORTED);
  require(params.accessDescCount == 0 || params.accessDescs != nullptr);
  Driver& driver = Driver::get();
  Device& device = driver.device(params.poolProps.location.id);
  AllocWork work;
  work.params = params;
  work.access.assign(params.accessDescs, params.accessDescs + params.accessDescCount);
  uint32_t access = 1u << device.ordinal;
  for (const CUmemAccessDesc& desc : work.access) {
    require(desc.location.type == CU_MEM_LOCATION_TYPE_DEVICE);
    if (desc.flags != CU_MEM_ACCESS_FLAGS_PROT_NONE) access |= 1u << driver.device(desc.location.id).ordinal;
  }
  work.block = GraphBlock::create(device, params.bytesize, access);
  work.params.dptr = work.block->address;
  return work;
}

FreeWork free_work(CUdeviceptr address) {
  std::shared_ptr<GraphBlock> block = GraphBlock::at(address);
  require(block != nullptr);
  return {std::move(block)};
}

MemoryOpsWork memory_ops_work(const CUDA_BATCH_MEM_OP_NODE_PARAMS& params) {
  require(params.count > 0 && params.paramArray != nullptr && params.flags == 0);
  MemoryOpsWork work;
  work.context = context_of(params.ctx);
  work.operations.assign(params.paramArray, params.paramArray + params.count);
  work.flags = params.flags;
  for (const CUstreamBatchMemOpParams& operation : work.operations) plan_memory_op(work.context, operation);
  return work;
}

Condition::Condition(const std::shared_ptr<Context>& context, unsigned initial, unsigned flags)
    : context_(context),
      initial_(initial),
      flags_(flags),
      address_(allocate(*context, sizeof(unsigned), RangeKind::device, 0, true)) {
  word(address_).store(initial);
}

Condition::~Condition() { free_internal(address_); }

unsigned Condition::value() const { return word(address_).load(); }

void Condition::assign_default() const {
  if (flags_ & CU_GRAPH_COND_ASSIGN_DEFAULT) word(address_).store(initial_);
}

Work clone_work(const Work& work, GraphOwner owner) {
  Work copy = work;
  if (auto* child = std::get_if<ChildWork>(&copy)) {
    child->graph = child->graph->clone(owner == GraphOwner::program ? GraphOwner::node : owner);
  } else if (auto* conditional = std::get_if<ConditionalWork>(&copy)) {
    conditional->handles.clear();
    for (auto& body : conditional->bodies) {
      body = body->clone(owner == GraphOwner::program ? GraphOwner::node : owner);
      conditional->handles.push_back(body->handle());
    }
  } else if (owner != GraphOwner::execution) {
    // The memory of a node is at one address, which cannot be two nodes'.
    bool memory = std::holds_alternative<AllocWork>(copy) || std::holds_alternative<FreeWork>(copy);
    require(!memory, CUDA_ERROR_NOT_SUPPORTED);
  }
  return copy;
}

void for_each_graph(const Work& work, const std::function<void(Graph&)>& visit) {
  if (auto* child = std::get_if<ChildWork>(&work)) visit(*child->graph);
  if (auto* conditional = std::get_if<ConditionalWork>(&work)) {
    for (const auto& body : conditional->bodies) visit(*body);
  }
}

}  // namespace softgpu::driver
