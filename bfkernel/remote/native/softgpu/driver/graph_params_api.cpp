// SPDX-License-Identifier: BSD-3-Clause
// The one form of parameters for all kinds of nodes, and conditional nodes, which have no other.
#include <algorithm>
#include <cstring>

#include "execution.h"

using namespace softgpu::driver;

namespace {

constexpr unsigned kMostBranches = 1u << 16;

// A graph inside a node takes the place of the program's: copied, or moved in.
std::shared_ptr<Graph> child_of(const CUDA_CHILD_GRAPH_NODE_PARAMS& params) {
  std::shared_ptr<Graph> graph = graph_of(params.graph);
  if (params.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE) return graph->clone(GraphOwner::node);
  require(params.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE && graph->owner == GraphOwner::program);
  graph->owner = GraphOwner::node;
  return graph;
}

ConditionalWork conditional_work(const Graph& graph, CUDA_CONDITIONAL_NODE_PARAMS& params) {
  ConditionalWork work;
  work.context = context_of(params.ctx);
  work.type = params.type;
  for (const auto& condition : graph.conditions) {
    if (condition->handle() == params.handle) work.condition = condition;
  }
  require(work.condition != nullptr);
  bool valid = params.type == CU_GRAPH_COND_TYPE_IF      ? params.size == 1 || params.size == 2
               : params.type == CU_GRAPH_COND_TYPE_WHILE ? params.size == 1
                                                         : params.size >= 1 && params.size <= kMostBranches;
  require(valid && params.type <= CU_GRAPH_COND_TYPE_SWITCH);
  for (unsigned i = 0; i < params.size; ++i) {
    work.bodies.push_back(Graph::create(GraphOwner::node));
    // A handle made for the outer graph may decide about nodes inside as well.
    work.bodies.back()->conditions = graph.conditions;
    work.handles.push_back(work.bodies.back()->handle());
  }
  return work;
}

// `attributes` are what a kernel node keeps when its parameters change.
Work make_work(const Graph& graph, CUgraphNodeParams& params, KernelAttributes attributes = {}) {
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      CUDA_KERNEL_NODE_PARAMS kernel;
      static_assert(sizeof kernel == sizeof params.kernel);
      std::memcpy(&kernel, &params.kernel, sizeof kernel);
      return kernel_work(kernel, std::move(attributes));
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      require(params.memcpy.flags == 0);
      return copy_work(params.memcpy.copyParams, params.memcpy.copyCtx);
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      CUDA_MEMSET_NODE_PARAMS fill;
      std::memcpy(&fill, &params.memset, sizeof fill);
      return fill_work(fill, params.memset.ctx);
    }
    case CU_GRAPH_NODE_TYPE_HOST:
      return host_work({params.host.fn, params.host.userData});
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return ChildWork{child_of(params.graph)};
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return EmptyWork{};
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return WaitWork{registry<Event>().get(params.eventWait.event)};
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return RecordWork{registry<Event>().get(params.eventRecord.event)};
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: {
      CUDA_MEM_ALLOC_NODE_PARAMS alloc;
      static_assert(sizeof alloc == sizeof params.alloc);
      std::memcpy(&alloc, &params.alloc, sizeof alloc);
      AllocWork work = alloc_work(alloc);
      params.alloc.dptr = work.params.dptr;
      return work;
    }
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return free_work(params.free.dptr);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return memory_ops_work(
          {params.memOp.ctx, params.memOp.count, params.memOp.paramArray, params.memOp.flags});
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return conditional_work(graph, params.conditional);
    default:
      fail(CUDA_ERROR_NOT_SUPPORTED);
  }
}

KernelAttributes attributes_of(const Work& work) {
  auto* kernel = std::get_if<KernelWork>(&work);
  return kernel ? kernel->attributes : KernelAttributes{};
}

// Parameters that describe what cannot be changed any more.
bool is_fixed(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || type == CU_GRAPH_NODE_TYPE_MEM_FREE ||
         type == CU_GRAPH_NODE_TYPE_CONDITIONAL || type == CU_GRAPH_NODE_TYPE_GRAPH;
}

void put_params(Node& node, CUgraphNodeParams* out) {
  *out = {};
  out->type = type_of(node.work);
  if (auto* work = std::get_if<KernelWork>(&node.work)) {
    CUDA_KERNEL_NODE_PARAMS params = params_of(*work);
    std::memcpy(&out->kernel, &params, sizeof params);
  } else if (auto* work = std::get_if<CopyWork>(&node.work)) {
    out->memcpy.copyCtx = work->context->handle();
    out->memcpy.copyParams = work->copy;
  } else if (auto* work = std::get_if<FillWork>(&node.work)) {
    std::memcpy(&out->memset, &work->fill, sizeof work->fill);
    out->memset.ctx = work->context->handle();
  } else if (auto* work = std::get_if<HostWork>(&node.work)) {
    out->host.fn = work->function;
    out->host.userData = work->data;
  } else if (auto* work = std::get_if<ChildWork>(&node.work)) {
    out->graph.graph = work->graph->handle();
    out->graph.ownership = CU_GRAPH_CHILD_GRAPH_OWNERSHIP_INVALID;
  } else if (auto* work = std::get_if<WaitWork>(&node.work)) {
    out->eventWait.event = work->event->handle();
  } else if (auto* work = std::get_if<RecordWork>(&node.work)) {
    out->eventRecord.event = work->event->handle();
  } else if (auto* work = std::get_if<AllocWork>(&node.work)) {
    std::memcpy(&out->alloc, &work->params, sizeof work->params);
    out->alloc.accessDescs = work->access.data();
  } else if (auto* work = std::get_if<FreeWork>(&node.work)) {
    out->free.dptr = work->block->address;
  } else if (auto* work = std::get_if<MemoryOpsWork>(&node.work)) {
    out->memOp = {work->context->handle(), static_cast<unsigned>(work->operations.size()),
                  work->operations.data(), work->flags};
  } else if (auto* work = std::get_if<ConditionalWork>(&node.work)) {
    out->conditional = {work->condition->handle(), work->type, static_cast<unsigned>(work->bodies.size()),
                        work->handles.data(), work->context->handle()};
  }
}

}  // namespace

SOFTGPU_API cuGraphAddNode_v2(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                              const CUgraphEdgeData* dependencyData, size_t numDependencies,
                              CUgraphNodeParams* nodeParams) {
  return with_graphs([&] {
    require(phGraphNode != nullptr && nodeParams != nullptr);
    std::shared_ptr<Graph> graph = graph_of(hGraph);
    std::vector<Edge> edges = edges_of(*graph, dependencies, dependencyData, numDependencies);
    Node& node = graph->add(make_work(*graph, *nodeParams), edges);
    if (auto* conditional = std::get_if<ConditionalWork>(&node.work))
      nodeParams->conditional.phGraph_out = conditional->handles.data();
    *phGraphNode = node.handle();
  });
}

SOFTGPU_API cuGraphAddNode(CUgraphNode* phGraphNode, CUgraph hGraph, const CUgraphNode* dependencies,
                           size_t numDependencies, CUgraphNodeParams* nodeParams) {
  return cuGraphAddNode_v2(phGraphNode, hGraph, dependencies, nullptr, numDependencies, nodeParams);
}

SOFTGPU_API cuGraphNodeGetParams(CUgraphNode hNode, CUgraphNodeParams* nodeParams) {
  return with_graphs([&] {
    require(nodeParams != nullptr);
    put_params(*node_of(hNode), nodeParams);
  });
}

SOFTGPU_API cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams* nodeParams) {
  return with_graphs([&] {
    std::shared_ptr<Node> node = node_of(hNode);
    require(nodeParams != nullptr && nodeParams->type == type_of(node->work));
    require(!is_fixed(nodeParams->type), CUDA_ERROR_NOT_SUPPORTED);
    node->work = make_work(node->graph, *nodeParams, attributes_of(node->work));
  });
}

SOFTGPU_API cuGraphExecNodeSetParams(CUgraphExec hGraphExec, CUgraphNode hNode,
                                     CUgraphNodeParams* nodeParams) {
  return with_graphs([&] {
    Node& target = execution_of(hGraphExec)->node(hNode);
    require(nodeParams != nullptr && nodeParams->type == type_of(target.work));
    if (nodeParams->type == CU_GRAPH_NODE_TYPE_GRAPH) {
      exchange(target, ChildWork{graph_of(nodeParams->graph.graph)->clone(GraphOwner::execution)});
      return;
    }
    require(!is_fixed(nodeParams->type), CUDA_ERROR_NOT_SUPPORTED);
    exchange(target, make_work(target.graph, *nodeParams, attributes_of(target.work)));
  });
}

SOFTGPU_API cuGraphConditionalHandleCreate(CUgraphConditionalHandle* pHandle_out, CUgraph hGraph,
                                           CUcontext ctx, unsigned int defaultLaunchValue,
                                           unsigned int flags) {
  return with_graphs([&] {
    require(pHandle_out != nullptr && (flags & ~static_cast<unsigned>(CU_GRAPH_COND_ASSIGN_DEFAULT)) == 0);
    std::shared_ptr<Graph> graph = graph_of(hGraph);
    auto condition = std::make_shared<Condition>(context_of(ctx), defaultLaunchValue, flags);
    *pHandle_out = condition->handle();
    graph->conditions.push_back(std::move(condition));
  });
}
