// SPDX-License-Identifier: BSD-3-Clause
// Adding nodes of each kind, and asking for and changing what they do.
#include <algorithm>
#include <cstring>

#include "graph.h"

using namespace softgpu::driver;

namespace {

template <typename Make>
CUresult add(CUgraphNode* out, CUgraph graph, const CUgraphNode* dependencies, size_t count, Make&& make) {
  return with_graphs([&] {
    require(out != nullptr);
    std::shared_ptr<Graph> target = graph_of(graph);
    std::vector<Edge> edges = edges_of(*target, dependencies, nullptr, count);
    *out = target->add(make(), edges).handle();
  });
}

// The work of a node, which has to be of that kind.
template <typename Kind, typename Body>
CUresult with_work(CUgraphNode node, Body&& body) {
  return with_graphs([&] {
    std::shared_ptr<Node> found = node_of(node);
    auto* work = std::get_if<Kind>(&found->work);
    require(work != nullptr);
    body(*work);
  });
}

CUDA_KERNEL_NODE_PARAMS widened(const CUDA_KERNEL_NODE_PARAMS_v1& params) {
  CUDA_KERNEL_NODE_PARAMS result = {};
  std::memcpy(&result, &params, sizeof params);
  return result;
}

}  // namespace

SOFTGPU_API cuGraphAddKernelNode_v2(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                    size_t numDependencies, const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] {
    require(nodeParams != nullptr);
    return kernel_work(*nodeParams);
  });
}

SOFTGPU_API cuGraphAddKernelNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                 size_t numDependencies, const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  CUDA_KERNEL_NODE_PARAMS params = widened(*nodeParams);
  return cuGraphAddKernelNode_v2(phGraphNode, hGraph, dependencies, numDependencies, &params);
}

SOFTGPU_API cuGraphKernelNodeGetParams_v2(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return with_work<KernelWork>(hNode, [&](KernelWork& work) {
    require(nodeParams != nullptr);
    *nodeParams = params_of(work);
  });
}

SOFTGPU_API cuGraphKernelNodeGetParams(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return with_work<KernelWork>(hNode, [&](KernelWork& work) {
    require(nodeParams != nullptr);
    CUDA_KERNEL_NODE_PARAMS params = params_of(work);
    if (!params.func) params.func = work.launch->function->handle();
    std::memcpy(nodeParams, &params, sizeof *nodeParams);
  });
}

SOFTGPU_API cuGraphKernelNodeSetParams_v2(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return with_work<KernelWork>(hNode, [&](KernelWork& work) {
    require(nodeParams != nullptr);
    work = kernel_work(*nodeParams, work.attributes);
  });
}

SOFTGPU_API cuGraphKernelNodeSetParams(CUgraphNode hNode, const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  CUDA_KERNEL_NODE_PARAMS params = widened(*nodeParams);
  return cuGraphKernelNodeSetParams_v2(hNode, &params);
}

SOFTGPU_API cuGraphKernelNodeGetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr,
                                          CUkernelNodeAttrValue* value_out) {
  return with_work<KernelWork>(hNode, [&](KernelWork& work) {
    require(value_out != nullptr && attr > CU_LAUNCH_ATTRIBUTE_IGNORE && attr < CU_LAUNCH_ATTRIBUTE_MAX);
    auto found = work.attributes.find(attr);
    *value_out = found == work.attributes.end() ? CUkernelNodeAttrValue{} : found->second;
  });
}

SOFTGPU_API cuGraphKernelNodeSetAttribute(CUgraphNode hNode, CUkernelNodeAttrID attr,
                                          const CUkernelNodeAttrValue* value) {
  return with_work<KernelWork>(hNode, [&](KernelWork& work) {
    require(value != nullptr);
    KernelAttributes attributes = work.attributes;
    attributes[attr] = *value;
    work = kernel_work(params_of(work), std::move(attributes));
  });
}

SOFTGPU_API cuGraphKernelNodeCopyAttributes(CUgraphNode dst, CUgraphNode src) {
  return with_work<KernelWork>(src, [&](KernelWork& source) {
    auto* target = std::get_if<KernelWork>(&node_of(dst)->work);
    require(target != nullptr);
    *target = kernel_work(params_of(*target), source.attributes);
  });
}

SOFTGPU_API cuGraphAddMemcpyNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                 size_t numDependencies, const CUDA_MEMCPY3D* copyParams, CUcontext ctx) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] {
    require(copyParams != nullptr);
    return copy_work(*copyParams, ctx);
  });
}

SOFTGPU_API cuGraphMemcpyNodeGetParams(CUgraphNode hNode, CUDA_MEMCPY3D* nodeParams) {
  return with_work<CopyWork>(hNode, [&](CopyWork& work) {
    require(nodeParams != nullptr);
    *nodeParams = work.copy;
  });
}

SOFTGPU_API cuGraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D* nodeParams) {
  return with_work<CopyWork>(hNode, [&](CopyWork& work) {
    require(nodeParams != nullptr);
    work = copy_work(*nodeParams, work.context->handle());
  });
}

SOFTGPU_API cuGraphAddMemsetNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                 size_t numDependencies, const CUDA_MEMSET_NODE_PARAMS* memsetParams,
                                 CUcontext ctx) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] {
    require(memsetParams != nullptr);
    return fill_work(*memsetParams, ctx);
  });
}

SOFTGPU_API cuGraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS* nodeParams) {
  return with_work<FillWork>(hNode, [&](FillWork& work) {
    require(nodeParams != nullptr);
    *nodeParams = work.fill;
  });
}

SOFTGPU_API cuGraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS* nodeParams) {
  return with_work<FillWork>(hNode, [&](FillWork& work) {
    require(nodeParams != nullptr);
    work = fill_work(*nodeParams, work.context->handle());
  });
}

SOFTGPU_API cuGraphAddHostNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                               size_t numDependencies, const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] {
    require(nodeParams != nullptr);
    return host_work(*nodeParams);
  });
}

SOFTGPU_API cuGraphHostNodeGetParams(CUgraphNode hNode, CUDA_HOST_NODE_PARAMS* nodeParams) {
  return with_work<HostWork>(hNode, [&](HostWork& work) {
    require(nodeParams != nullptr);
    *nodeParams = {work.function, work.data};
  });
}

SOFTGPU_API cuGraphHostNodeSetParams(CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return with_work<HostWork>(hNode, [&](HostWork& work) {
    require(nodeParams != nullptr);
    work = host_work(*nodeParams);
  });
}

SOFTGPU_API cuGraphAddChildGraphNode(CUgraphNode* phGraphNode, CUgraph hGraph,
                                     const CUgraphNode* dependencies, size_t numDependencies,
                                     CUgraph childGraph) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] {
    require(childGraph != hGraph);
    return ChildWork{graph_of(childGraph)->clone(GraphOwner::node)};
  });
}

SOFTGPU_API cuGraphChildGraphNodeGetGraph(CUgraphNode hNode, CUgraph* phGraph) {
  return with_work<ChildWork>(hNode, [&](ChildWork& work) {
    require(phGraph != nullptr);
    *phGraph = work.graph->handle();
  });
}

SOFTGPU_API cuGraphAddEmptyNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                size_t numDependencies) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [] { return EmptyWork{}; });
}

SOFTGPU_API cuGraphAddEventRecordNode(CUgraphNode* phGraphNode, CUgraph hGraph,
                                      const CUgraphNode* dependencies, size_t numDependencies,
                                      CUevent event) {
  return add(phGraphNode, hGraph, dependencies, numDependencies,
             [&] { return RecordWork{registry<Event>().get(event)}; });
}

SOFTGPU_API cuGraphEventRecordNodeGetEvent(CUgraphNode hNode, CUevent* event_out) {
  return with_work<RecordWork>(hNode, [&](RecordWork& work) {
    require(event_out != nullptr);
    *event_out = work.event->handle();
  });
}

SOFTGPU_API cuGraphEventRecordNodeSetEvent(CUgraphNode hNode, CUevent event) {
  return with_work<RecordWork>(hNode, [&](RecordWork& work) { work.event = registry<Event>().get(event); });
}

SOFTGPU_API cuGraphAddEventWaitNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                    size_t numDependencies, CUevent event) {
  return add(phGraphNode, hGraph, dependencies, numDependencies,
             [&] { return WaitWork{registry<Event>().get(event)}; });
}

SOFTGPU_API cuGraphEventWaitNodeGetEvent(CUgraphNode hNode, CUevent* event_out) {
  return with_work<WaitWork>(hNode, [&](WaitWork& work) {
    require(event_out != nullptr);
    *event_out = work.event->handle();
  });
}

SOFTGPU_API cuGraphEventWaitNodeSetEvent(CUgraphNode hNode, CUevent event) {
  return with_work<WaitWork>(hNode, [&](WaitWork& work) { work.event = registry<Event>().get(event); });
}

SOFTGPU_API cuGraphAddMemAllocNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                   size_t numDependencies, CUDA_MEM_ALLOC_NODE_PARAMS* nodeParams) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] {
    require(nodeParams != nullptr);
    AllocWork work = alloc_work(*nodeParams);
    nodeParams->dptr = work.params.dptr;
    return work;
  });
}

SOFTGPU_API cuGraphMemAllocNodeGetParams(CUgraphNode hNode, CUDA_MEM_ALLOC_NODE_PARAMS* params_out) {
  return with_work<AllocWork>(hNode, [&](AllocWork& work) {
    require(params_out != nullptr);
    *params_out = work.params;
    params_out->accessDescs = work.access.data();
  });
}

SOFTGPU_API cuGraphAddMemFreeNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                                  size_t numDependencies, CUdeviceptr dptr) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] { return free_work(dptr); });
}

SOFTGPU_API cuGraphMemFreeNodeGetParams(CUgraphNode hNode, CUdeviceptr* dptr_out) {
  return with_work<FreeWork>(hNode, [&](FreeWork& work) {
    require(dptr_out != nullptr);
    *dptr_out = work.block->address;
  });
}

SOFTGPU_API cuGraphAddBatchMemOpNode(CUgraphNode* phGraphNode, CUgraph hGraph,
                                     const CUgraphNode* dependencies, size_t numDependencies,
                                     const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return add(phGraphNode, hGraph, dependencies, numDependencies, [&] {
    require(nodeParams != nullptr);
    return memory_ops_work(*nodeParams);
  });
}

SOFTGPU_API cuGraphBatchMemOpNodeGetParams(CUgraphNode hNode, CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams_out) {
  return with_work<MemoryOpsWork>(hNode, [&](MemoryOpsWork& work) {
    require(nodeParams_out != nullptr);
    *nodeParams_out = {work.context->handle(), static_cast<unsigned>(work.operations.size()),
                       work.operations.data(), work.flags};
  });
}

SOFTGPU_API cuGraphBatchMemOpNodeSetParams(CUgraphNode hNode,
                                           const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return with_work<MemoryOpsWork>(hNode, [&](MemoryOpsWork& work) {
    require(nodeParams != nullptr);
    work = memory_ops_work(*nodeParams);
  });
}
