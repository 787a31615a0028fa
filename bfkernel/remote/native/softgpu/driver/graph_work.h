// SPDX-License-Identifier: BSD-3-Clause
// What the nodes of graphs do: one type for each kind of node, each with what is needed to tell the program
// its parameters again and to run it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include "event.h"
#include "graph_memory.h"
#include "launch.h"

namespace softgpu::driver {

class Graph;
struct Node;
enum class GraphOwner;

using KernelAttributes = std::map<CUlaunchAttributeID, CUlaunchAttributeValue>;

struct KernelWork {
  CUfunction function;  // as the program named it
  CUkernel kernel;
  std::shared_ptr<const Launch> launch;
  KernelAttributes attributes;
  std::vector<void*> pointers;  // to the launch's parameters
};

struct CopyWork {
  std::shared_ptr<Context> context;
  CUDA_MEMCPY3D copy;
};

struct FillWork {
  std::shared_ptr<Context> context;
  CUDA_MEMSET_NODE_PARAMS fill;
};

struct HostWork {
  CUhostFn function;
  void* data;
};

struct ChildWork {
  std::shared_ptr<Graph> graph;
};

struct EmptyWork {};

struct WaitWork {
  std::shared_ptr<Event> event;
};

struct RecordWork {
  std::shared_ptr<Event> event;
};

struct AllocWork {
  CUDA_MEM_ALLOC_NODE_PARAMS params;
  std::vector<CUmemAccessDesc> access;
  std::shared_ptr<GraphBlock> block;
};

struct FreeWork {
  std::shared_ptr<GraphBlock> block;
};

struct MemoryOpsWork {
  std::shared_ptr<Context> context;
  std::vector<CUstreamBatchMemOpParams> operations;
  unsigned flags;
};

// The value that decides about conditional nodes: a word of device memory, whose address is the handle.
class Condition {
 public:
  Condition(const std::shared_ptr<Context>& context, unsigned initial, unsigned flags);
  ~Condition();
  Condition(const Condition&) = delete;
  CUgraphConditionalHandle handle() const { return address_; }
  unsigned value() const;
  void assign_default() const;  // at each launch, where the program asked for it

 private:
  const std::shared_ptr<Context> context_;
  const unsigned initial_;
  const unsigned flags_;
  const uint64_t address_;
};

struct ConditionalWork {
  std::shared_ptr<Context> context;
  std::shared_ptr<Condition> condition;
  CUgraphConditionalNodeType type;
  std::vector<std::shared_ptr<Graph>> bodies;
  std::vector<CUgraph> handles;  // of the bodies
};

using Work = std::variant<KernelWork, CopyWork, FillWork, HostWork, ChildWork, EmptyWork, WaitWork,
                          RecordWork, AllocWork, FreeWork, MemoryOpsWork, ConditionalWork>;

CUgraphNodeType type_of(const Work& work);

// Each checks the parameters of its kind of node; they throw what the entry point answers.
KernelWork kernel_work(CUfunction function, Launch launch, KernelAttributes attributes = {});
KernelWork kernel_work(const CUDA_KERNEL_NODE_PARAMS& params, KernelAttributes attributes = {});
// What the program gets to see of it; the pointers live as long as the work.
CUDA_KERNEL_NODE_PARAMS params_of(KernelWork& work);
CopyWork copy_work(const CUDA_MEMCPY3D& copy, CUcontext context);
CopyWork copy_work(const std::shared_ptr<Context>& context, CUdeviceptr dst, CUdeviceptr src, size_t size);
FillWork fill_work(const CUDA_MEMSET_NODE_PARAMS& fill, CUcontext context);
HostWork host_work(const CUDA_HOST_NODE_PARAMS& params);
AllocWork alloc_work(const CUDA_MEM_ALLOC_NODE_PARAMS& params);
FreeWork free_work(CUdeviceptr address);
MemoryOpsWork memory_ops_work(const CUDA_BATCH_MEM_OP_NODE_PARAMS& params);

// A copy for another graph; graphs inside are copied too. Throws NOT_SUPPORTED where that cannot be.
Work clone_work(const Work& work, GraphOwner owner);
// Ends all handles of a graph and of its nodes.
void retire(Graph& graph);
void for_each_graph(const Work& work, const std::function<void(Graph&)>& visit);

}  // namespace softgpu::driver
