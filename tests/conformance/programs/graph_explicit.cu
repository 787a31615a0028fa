// SPDX-License-Identifier: BSD-3-Clause
// A graph made node by node: memset, copies, kernels, a host function, an empty node and a child graph; what
// it says of itself; a clone; and changed parameters of an instantiated kernel node.
//
// expected:
// 6 nodes, 5 edges, 1 root, the first a memset: 1
// the host saw 20
// the host saw 25
// the clone's host saw 25
// after the child: 40
// ok
#include "conformance.h"

#ifdef __CUDACC__
extern "C" __global__ void add_index(int* data, int value) { data[threadIdx.x] += value + threadIdx.x; }
#endif  // __CUDACC__
KERNEL(add_index, int*, int);

struct Sum {
  int* values;
  int result;
};

static void CUDART_CB add_up(void* of) {
  Sum* sum = static_cast<Sum*>(of);
  sum->result = 0;
  for (int i = 0; i < 5; ++i) sum->result += sum->values[i];
}

static cudaGraphNode_t memset_node(cudaGraph_t graph, int* data) {
  cudaGraphNode_t node;
  cudaMemsetParams zero = {};
  zero.dst = data;
  zero.elementSize = 4;
  zero.width = 5;
  zero.height = 1;
  CHECK(cudaGraphAddMemsetNode(&node, graph, nullptr, 0, &zero));
  return node;
}

static cudaKernelNodeParams kernel_parameters(void** arguments) {
  cudaKernelNodeParams kernel = {};
  kernel.func = const_cast<void*>(handle(add_index));
  kernel.gridDim = dim3(1);
  kernel.blockDim = dim3(5);
  kernel.kernelParams = arguments;
  return kernel;
}

static int launch(cudaGraphExec_t executable, const Sum& sum) {
  CHECK(cudaGraphLaunch(executable, nullptr));
  CHECK(cudaStreamSynchronize(nullptr));
  return sum.result;
}

static int after_the_child(cudaGraph_t graph, const Device<int>& data) {
  cudaGraph_t parent;
  cudaGraphNode_t child, after;
  cudaGraphExec_t executable;
  int* address = data;
  int value = 1;
  void* arguments[] = {&address, &value};
  const cudaKernelNodeParams kernel = kernel_parameters(arguments);
  CHECK(cudaGraphCreate(&parent, 0));
  CHECK(cudaGraphAddChildGraphNode(&child, parent, nullptr, 0, graph));
  CHECK(cudaGraphAddKernelNode(&after, parent, &child, 1, &kernel));
  CHECK(cudaGraphInstantiateWithFlags(&executable, parent, 0));
  CHECK(cudaGraphLaunch(executable, nullptr));
  CHECK(cudaDeviceSynchronize());
  int total = 0;
  for (const int one : data.read()) total += one;
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphDestroy(parent));
  return total;
}

static void describe(cudaGraph_t graph, cudaGraphNode_t first) {
  size_t nodes, edges, roots;
  CHECK(cudaGraphGetNodes(graph, nullptr, &nodes));
#if CUDART_VERSION >= 13000
  CHECK(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &edges));
#else
  CHECK(cudaGraphGetEdges(graph, nullptr, nullptr, &edges));
#endif
  CHECK(cudaGraphGetRootNodes(graph, nullptr, &roots));
  cudaGraphNodeType type;
  CHECK(cudaGraphNodeGetType(first, &type));
  std::printf("%zu nodes, %zu edges, %zu root, the first a memset: %d\n", nodes, edges, roots,
              type == cudaGraphNodeTypeMemset);
}

int main() {
  const Device<int> data(5), copy(5);
  Sum sum = {};
  CHECK(cudaMallocHost(&sum.values, 5 * sizeof(int)));
  cudaGraph_t graph, clone;
  CHECK(cudaGraphCreate(&graph, 0));
  int* address = data;
  int value = 2;
  void* arguments[] = {&address, &value};
  cudaKernelNodeParams kernel = kernel_parameters(arguments);
  cudaGraphNode_t zero = memset_node(graph, data), add, inside, out, host, end;
  CHECK(cudaGraphAddKernelNode(&add, graph, &zero, 1, &kernel));
  CHECK(
      cudaGraphAddMemcpyNode1D(&inside, graph, &add, 1, copy, data, copy.bytes(), cudaMemcpyDeviceToDevice));
  CHECK(cudaGraphAddMemcpyNode1D(&out, graph, &inside, 1, sum.values, copy, copy.bytes(),
                                 cudaMemcpyDeviceToHost));
  CHECK(cudaGraphAddEmptyNode(&end, graph, &out, 1));
  cudaHostNodeParams function = {add_up, &sum};
  CHECK(cudaGraphAddHostNode(&host, graph, &end, 1, &function));
  describe(graph, zero);
  std::vector<int> expected{2, 3, 4, 5, 6};

  cudaGraphExec_t executable, cloned;
  CHECK(cudaGraphInstantiateWithFlags(&executable, graph, 0));
  std::printf("the host saw %d\n", launch(executable, sum));
  REQUIRE(copy.read() == expected);
  value = 3;
  CHECK(cudaGraphExecKernelNodeSetParams(executable, add, &kernel));
  std::printf("the host saw %d\n", launch(executable, sum));
  CHECK(cudaGraphKernelNodeSetParams(add, &kernel));
  CHECK(cudaGraphClone(&clone, graph));
  CHECK(cudaGraphInstantiateWithFlags(&cloned, clone, 0));
  sum.result = 0;
  std::printf("the clone's host saw %d\n", launch(cloned, sum));
  std::printf("after the child: %d\n", after_the_child(graph, data));
  CHECK(cudaGraphExecDestroy(executable));
  CHECK(cudaGraphExecDestroy(cloned));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaGraphDestroy(clone));
  CHECK(cudaFreeHost(sum.values));
  return done();
}
