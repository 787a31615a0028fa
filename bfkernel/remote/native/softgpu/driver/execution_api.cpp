// SPDX-License-Identifier: BSD-3-Clause
// Instantiating, launching and changing executable graphs.
#include <algorithm>
#include <cstring>

#include "capture.h"
#include "execution.h"

using namespace softgpu::driver;

namespace {

CUresult instantiate(CUgraphExec* out, CUgraph graph, unsigned long long flags,
                     CUDA_GRAPH_INSTANTIATE_PARAMS* report) {
  return with_graphs([&] {
    require(out != nullptr);
    *out = Execution::create(graph_of(graph), flags, report)->handle();
  });
}

template <typename Make>
CUresult exchange_in(CUgraphExec execution, CUgraphNode node, Make&& make) {
  return with_graphs([&] {
    std::shared_ptr<Execution> target = execution_of(execution);
    exchange(target->node(node), make(node_of(node)->work));
  });
}

}  // namespace

SOFTGPU_API cuGraphInstantiateWithFlags(CUgraphExec* phGraphExec, CUgraph hGraph, unsigned long long flags) {
  CUDA_GRAPH_INSTANTIATE_PARAMS report = {};
  return instantiate(phGraphExec, hGraph, flags, &report);
}

SOFTGPU_API cuGraphInstantiateWithParams(CUgraphExec* phGraphExec, CUgraph hGraph,
                                         CUDA_GRAPH_INSTANTIATE_PARAMS* instantiateParams) {
  if (!instantiateParams) return CUDA_ERROR_INVALID_VALUE;
  return instantiate(phGraphExec, hGraph, instantiateParams->flags, instantiateParams);
}

SOFTGPU_API cuGraphInstantiate_v2(CUgraphExec* phGraphExec, CUgraph hGraph, CUgraphNode* phErrorNode,
                                  char* logBuffer, size_t bufferSize) {
  CUDA_GRAPH_INSTANTIATE_PARAMS report = {};
  CUresult result = instantiate(phGraphExec, hGraph, 0, &report);
  if (phErrorNode) *phErrorNode = report.hErrNode_out;
  if (logBuffer && bufferSize > 0) {
    const char* text = result == CUDA_SUCCESS ? "" : "the graph cannot be executed";
    size_t length = std::min(std::strlen(text), bufferSize - 1);
    std::memcpy(logBuffer, text, length);
    logBuffer[length] = '\0';
  }
  return result;
}

SOFTGPU_API cuGraphInstantiate(CUgraphExec* phGraphExec, CUgraph hGraph, CUgraphNode* phErrorNode,
                               char* logBuffer, size_t bufferSize) {
  return cuGraphInstantiate_v2(phGraphExec, hGraph, phErrorNode, logBuffer, bufferSize);
}

SOFTGPU_API cuGraphExecGetFlags(CUgraphExec hGraphExec, cuuint64_t* flags) {
  return with_graphs([&] {
    require(flags != nullptr);
    *flags = execution_of(hGraphExec)->flags;
  });
}

SOFTGPU_API cuGraphExecGetId(CUgraphExec hGraphExec, unsigned int* graphId) {
  return with_graphs([&] {
    require(graphId != nullptr);
    *graphId = execution_of(hGraphExec)->graph().id;
  });
}

// Work already launched goes on to its end.
SOFTGPU_API cuGraphExecDestroy(CUgraphExec hGraphExec) {
  return with_graphs(
      [&] { require(registry<Execution>().remove(hGraphExec) != nullptr, CUDA_ERROR_INVALID_VALUE); });
}

SOFTGPU_API cuGraphLaunch(CUgraphExec hGraphExec, CUstream hStream) {
  return with_context([&](Context& context) {
    std::lock_guard lock(graphs_mutex());
    std::shared_ptr<Execution> execution = execution_of(hGraphExec);
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    if (capturing(*stream)) {
      capture(*stream, ChildWork{execution->graph().clone(GraphOwner::node)});
    } else {
      execution->launch(*stream);
    }
  });
}

// There is no other memory to bring the graph to.
SOFTGPU_API cuGraphUpload(CUgraphExec hGraphExec, CUstream hStream) {
  return with_context([&](Context& context) {
    std::lock_guard lock(graphs_mutex());
    execution_of(hGraphExec);
    resolve_stream(context, hStream);
  });
}

SOFTGPU_API cuGraphExecUpdate_v2(CUgraphExec hGraphExec, CUgraph hGraph,
                                 CUgraphExecUpdateResultInfo* resultInfo) {
  return with_graphs([&] {
    require(resultInfo != nullptr);
    *resultInfo = execution_of(hGraphExec)->update(*graph_of(hGraph));
    bool done = resultInfo->result == CU_GRAPH_EXEC_UPDATE_SUCCESS;
    return done ? CUDA_SUCCESS : CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  });
}

SOFTGPU_API cuGraphExecUpdate(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode* hErrorNode_out,
                              CUgraphExecUpdateResult* updateResult_out) {
  CUgraphExecUpdateResultInfo info = {};
  CUresult result = cuGraphExecUpdate_v2(hGraphExec, hGraph, &info);
  if (hErrorNode_out) *hErrorNode_out = info.errorNode;
  if (updateResult_out) *updateResult_out = info.result;
  return result;
}

SOFTGPU_API cuGraphExecKernelNodeSetParams_v2(CUgraphExec hGraphExec, CUgraphNode hNode,
                                              const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return exchange_in(hGraphExec, hNode, [&](const Work& work) {
    require(nodeParams != nullptr && std::holds_alternative<KernelWork>(work));
    return kernel_work(*nodeParams, std::get<KernelWork>(work).attributes);
  });
}

SOFTGPU_API cuGraphExecKernelNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                           const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  CUDA_KERNEL_NODE_PARAMS params = {};
  std::memcpy(&params, nodeParams, sizeof *nodeParams);
  return cuGraphExecKernelNodeSetParams_v2(hGraphExec, hNode, &params);
}

SOFTGPU_API cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                           const CUDA_MEMCPY3D* copyParams, CUcontext ctx) {
  return exchange_in(hGraphExec, hNode, [&](const Work&) {
    require(copyParams != nullptr);
    return copy_work(*copyParams, ctx);
  });
}

SOFTGPU_API cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                           const CUDA_MEMSET_NODE_PARAMS* memsetParams, CUcontext ctx) {
  return exchange_in(hGraphExec, hNode, [&](const Work&) {
    require(memsetParams != nullptr);
    return fill_work(*memsetParams, ctx);
  });
}

SOFTGPU_API cuGraphExecHostNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                         const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return exchange_in(hGraphExec, hNode, [&](const Work&) {
    require(nodeParams != nullptr);
    return host_work(*nodeParams);
  });
}

SOFTGPU_API cuGraphExecChildGraphNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                               CUgraph childGraph) {
  return exchange_in(hGraphExec, hNode, [&](const Work&) {
    return ChildWork{graph_of(childGraph)->clone(GraphOwner::execution)};
  });
}

SOFTGPU_API cuGraphExecEventRecordNodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event) {
  return exchange_in(hGraphExec, hNode,
                     [&](const Work&) { return RecordWork{registry<Event>().get(event)}; });
}

SOFTGPU_API cuGraphExecEventWaitNodeSetEvent(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event) {
  return exchange_in(hGraphExec, hNode, [&](const Work&) { return WaitWork{registry<Event>().get(event)}; });
}

SOFTGPU_API cuGraphExecBatchMemOpNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                               const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return exchange_in(hGraphExec, hNode, [&](const Work&) {
    require(nodeParams != nullptr);
    return memory_ops_work(*nodeParams);
  });
}

// Only kernels, copies and fills can be switched off.
SOFTGPU_API cuGraphNodeSetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int isEnabled) {
  return with_graphs([&] {
    Node& node = execution_of(hGraphExec)->node(hNode);
    require(type_of(node.work) <= CU_GRAPH_NODE_TYPE_MEMSET);
    node.enabled = isEnabled != 0;
  });
}

SOFTGPU_API cuGraphNodeGetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int* isEnabled) {
  return with_graphs([&] {
    require(isEnabled != nullptr);
    *isEnabled = execution_of(hGraphExec)->node(hNode).enabled;
  });
}
