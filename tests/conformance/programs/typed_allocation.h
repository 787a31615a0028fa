// SPDX-License-Identifier: BSD-3-Clause
// Allocations by typed pointers, as nvcc's cuda_runtime.h has them. That header is not used without nvcc: it
// needs files that the package of the runtime does not hold.
#pragma once

#include <cuda_runtime_api.h>

// Hands a `T**` to a function that wants a `void**`.
class Untyped {
 public:
  template <class T>
  explicit Untyped(T** pointer) : pointer_(reinterpret_cast<void**>(pointer)) {}
  operator void**() const { return pointer_; }

 private:
  void** pointer_;
};

template <class T>
cudaError_t cudaMalloc(T** to, size_t bytes) {
  return cudaMalloc(Untyped(to), bytes);
}

template <class T>
cudaError_t cudaMallocPitch(T** to, size_t* pitch, size_t width, size_t height) {
  return cudaMallocPitch(Untyped(to), pitch, width, height);
}

template <class T>
cudaError_t cudaMallocAsync(T** to, size_t bytes, cudaStream_t stream) {
  return cudaMallocAsync(Untyped(to), bytes, stream);
}

template <class T>
cudaError_t cudaMallocManaged(T** to, size_t bytes) {
  return cudaMallocManaged(Untyped(to), bytes, cudaMemAttachGlobal);
}

template <class T>
cudaError_t cudaMallocHost(T** to, size_t bytes) {
  return cudaMallocHost(Untyped(to), bytes);
}

template <class T>
cudaError_t cudaHostAlloc(T** to, size_t bytes, unsigned flags) {
  return cudaHostAlloc(Untyped(to), bytes, flags);
}

template <class T>
cudaError_t cudaHostGetDevicePointer(T** to, void* host, unsigned flags) {
  return cudaHostGetDevicePointer(Untyped(to), host, flags);
}
