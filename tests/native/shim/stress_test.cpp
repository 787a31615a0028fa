// SPDX-License-Identifier: BSD-3-Clause
// Eight threads use the shim at once, for some seconds and for anything that a worker over the null driver
// can do: what a sanitizer sees of the shim and of the worker's threads. Each thread checks its own bytes.
#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>

#include "small_agent.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kThreads = 8;
constexpr std::uint64_t MiB = 1 << 20;
constexpr char kImage[] = ".version 7.0\n.target sm_70\n.address_size 64\n";

void ok(CUresult result, const char* what) {
  if (result == CUDA_SUCCESS) return;
  test::fail(__FILE__, __LINE__, std::string(what) + " answered " + std::to_string(result));
}
#define OK(call) ok((call), #call)

// What all threads use.
struct Shared {
  CUcontext context = nullptr;
  CUmodule module = nullptr;
  CUfunction sleep = nullptr;
  CUstream stream = nullptr;
  std::vector<CUevent> events;
};

class Worker {
 public:
  Worker(const Shared& shared, unsigned seed) : shared_(shared), random_(seed) {
    OK(cuCtxSetCurrent(shared.context));
    OK(cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
  }

  void work_until(Clock::time_point end) {
    using Step = void (Worker::*)();
    constexpr Step kSteps[] = {&Worker::launches, &Worker::blocks,   &Worker::pooled, &Worker::copies,
                               &Worker::events,   &Worker::polls,    &Worker::waits,  &Worker::modules,
                               &Worker::streams,  &Worker::questions};
    while (Clock::now() < end) (this->*kSteps[random_() % std::size(kSteps)])();
    OK(cuStreamSynchronize(stream_));
    OK(cuStreamDestroy_v2(stream_));
  }

 private:
  CUstream any_stream() {
    const CUstream streams[] = {stream_, stream_, shared_.stream, nullptr, CU_STREAM_PER_THREAD};
    return streams[random_() % std::size(streams)];
  }
  void launch(CUfunction function, CUstream stream) {
    unsigned us = random_() % 30;
    void* parameters[] = {&us};
    OK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr));
  }
  // Bytes that go there, come back and are the same.
  void round_trip(CUdeviceptr memory, std::size_t size, CUstream stream) {
    std::vector<unsigned char> out(size, static_cast<unsigned char>(random_())), in(size);
    OK(cuMemcpyHtoDAsync_v2(memory, out.data(), size, stream));
    OK(cuMemcpyDtoHAsync_v2(in.data(), memory, size, stream));
    OK(cuStreamSynchronize(stream));
    CHECK(in == out);
  }

  void launches() {
    const CUstream stream = any_stream();
    for (unsigned i = random_() % 64; i > 0; --i) launch(shared_.sleep, stream);
  }

  void blocks() {
    std::vector<CUdeviceptr> taken(1 + random_() % 8);
    for (CUdeviceptr& memory : taken) {
      const std::size_t size = 64 + random_() % (random_() % 8 == 0 ? 5 * MiB : 50'000);
      OK(cuMemAlloc_v2(&memory, size));
      OK(cuMemsetD8_v2(memory, 1, size));
    }
    round_trip(taken.front(), 64, stream_);
    for (const CUdeviceptr memory : taken) OK(cuMemFree_v2(memory));
  }

  void pooled() {
    for (int i = 0; i < 8; ++i) {
      CUdeviceptr memory = 0;
      const std::size_t size = 64 + random_() % (i == 0 ? 4 * MiB : 50'000);
      OK(cuMemAllocAsync(&memory, size, stream_));
      if (random_() % 4 == 0) round_trip(memory, 64, stream_);
      launch(shared_.sleep, stream_);
      OK(cuMemFreeAsync(memory, stream_));
    }
  }

  void copies() {
    CUdeviceptr memory = 0;
    const std::size_t size = random_() % 4 == 0 ? 1 + random_() % (6 * MiB) : 1 + random_() % 5000;
    OK(cuMemAlloc_v2(&memory, size));
    round_trip(memory, size, random_() % 2 == 0 ? stream_ : nullptr);
    OK(cuMemFree_v2(memory));
  }

  void events() {
    CUevent mine = nullptr;
    OK(cuEventCreate(&mine, CU_EVENT_DISABLE_TIMING));
    const CUevent common = shared_.events[random_() % shared_.events.size()];
    for (const CUevent event : {mine, common}) {
      const CUstream stream = any_stream();
      launch(shared_.sleep, stream);
      OK(cuEventRecord(event, stream));
      OK(cuStreamWaitEvent(stream_, event, 0));
    }
    while (const CUresult result = cuEventQuery(mine)) CHECK_EQUAL(result, CUDA_ERROR_NOT_READY);
    const CUresult of_common = cuEventQuery(common);
    CHECK(of_common == CUDA_SUCCESS || of_common == CUDA_ERROR_NOT_READY);
    OK(cuEventSynchronize(mine));
    OK(cuEventSynchronize(common));
    OK(cuEventDestroy_v2(mine));
  }

  void polls() {
    launch(shared_.sleep, stream_);
    while (const CUresult result = cuStreamQuery(stream_)) CHECK_EQUAL(result, CUDA_ERROR_NOT_READY);
    for (int i = 0; i < 20; ++i) {
      const CUresult result = cuStreamQuery(shared_.stream);
      CHECK(result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_READY);
    }
  }

  void waits() { OK(random_() % 8 == 0 ? cuCtxSynchronize() : cuStreamSynchronize(any_stream())); }

  void modules() {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    OK(cuModuleLoadData(&module, kImage));
    OK(cuModuleGetFunction(&function, module, "sleep"));
    launch(function, stream_);
    OK(cuStreamSynchronize(stream_));
    OK(cuModuleUnload(module));
  }

  void streams() {
    CUstream made = nullptr;
    OK(cuStreamCreate(&made, CU_STREAM_DEFAULT));
    launch(shared_.sleep, made);
    if (random_() % 2 == 0) OK(cuStreamSynchronize(made));
    OK(cuStreamDestroy_v2(made));
  }

  void questions() {
    std::size_t free = 0, total = 0;
    OK(cuMemGetInfo_v2(&free, &total));
    CHECK(free <= total);
    CUdeviceptr memory = 0;
    CUmemorytype type{};
    OK(cuMemAlloc_v2(&memory, 1000));
    OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, memory + 999));
    CHECK_EQUAL(type, CU_MEMORYTYPE_DEVICE);
    OK(cuMemFree_v2(memory));
    CHECK_EQUAL(cuMemFree_v2(memory + 1), CUDA_ERROR_INVALID_VALUE);
  }

  const Shared& shared_;
  std::mt19937 random_;
  CUstream stream_ = nullptr;
};

Shared make_shared() {
  Shared made;
  OK(cuInit(0));
  OK(cuDevicePrimaryCtxRetain(&made.context, 0));
  OK(cuCtxSetCurrent(made.context));
  OK(cuModuleLoadData(&made.module, kImage));
  OK(cuModuleGetFunction(&made.sleep, made.module, "sleep"));
  OK(cuStreamCreate(&made.stream, CU_STREAM_NON_BLOCKING));
  made.events.resize(4);
  for (CUevent& event : made.events) OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  return made;
}

}  // namespace

// The argument: for how many seconds.
int main(int argc, char** argv) {
  const test::SmallAgent agent(256 * MiB);
  const std::chrono::seconds time(argc > 1 ? std::atoi(argv[1]) : 10);
  const auto end = Clock::now() + time;
  const Shared shared = make_shared();
  // Threads end and others come, twice a second.
  for (unsigned round = 0; Clock::now() < end; ++round) {
    const auto round_end = std::min(end, Clock::now() + std::chrono::milliseconds(500));
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] { Worker(shared, round * kThreads + i).work_until(round_end); });
    }
    for (std::thread& thread : threads) thread.join();
  }
  OK(cuCtxSynchronize());
  std::printf("ok\n");
  return 0;
}
