// SPDX-License-Identifier: BSD-3-Clause
// What the conformance programs share: checked calls, arrays on the device, and kernels that are launched in
// the same words in both ways of building a program (see ../README.md):
//   nvcc compiles all of it, and a kernel is launched with <<<>>>;
//   a plain C++ compiler compiles the host part only; the kernels are PTX made before, which travels in the
//   program.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <vector>

// What a kernel prints and what the host prints share a pipe: each line is written when it is complete.
static const int lines_are_written_at_once = setvbuf(stdout, nullptr, _IOLBF, 1 << 12);

inline void fail(const char* file, int line, const char* what, const char* why) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, why);
  std::exit(1);
}

// The call must succeed.
#define CHECK(call)                                               \
  do {                                                            \
    if (const cudaError_t error_ = (call); error_ != cudaSuccess) \
      fail(__FILE__, __LINE__, #call, cudaGetErrorName(error_));  \
  } while (0)

// The condition must hold.
#define REQUIRE(condition)                                                   \
  do {                                                                       \
    if (!(condition)) fail(__FILE__, __LINE__, #condition, "does not hold"); \
  } while (0)

// How a kernel is launched.
struct Shape {
  dim3 grid, block;
  size_t shared = 0;
  cudaStream_t stream = nullptr;
};

template <class T>
struct Same {
  using type = T;
};
template <class T>
using Type = T;  // also of what cannot be written before a name: an array

#ifdef __CUDACC__

#define KERNEL(name, ...) static_assert(true, "nvcc has compiled the kernel itself")
#define GLOBAL(name) static_assert(true, "nvcc has registered the variable itself")
// A managed variable, as the host sees it: here_NAME().
#define MANAGED(type, name) \
  static Type<type>& here_##name() { return name; }

template <class... P>
const void* handle(void (*kernel)(P...)) {
  return reinterpret_cast<const void*>(kernel);
}

template <class... P>
cudaError_t try_launch(void (*kernel)(P...), Shape shape, typename Same<P>::type... arguments) {
  kernel<<<shape.grid, shape.block, shape.shared, shape.stream>>>(arguments...);
  return cudaGetLastError();
}

template <class T>
cudaError_t symbol_address(void** address, const T& symbol) {
  return cudaGetSymbolAddress(address, symbol);
}

template <class T>
cudaError_t write_symbol(const T& symbol, const void* from, size_t bytes) {
  return cudaMemcpyToSymbol(symbol, from, bytes);
}

template <class T>
cudaError_t read_symbol(void* to, const T& symbol, size_t bytes) {
  return cudaMemcpyFromSymbol(to, symbol, bytes);
}

inline void load_kernels_again() {}

#else
#include "typed_allocation.h"
#ifdef CONFORMANCE_PTX  // else a program without kernels
#include "embedded.h"
#endif
#endif

// The launch must succeed.
#define LAUNCH(...) CHECK(try_launch(__VA_ARGS__))

// An array on the device.
template <class T>
class Device {
 public:
  explicit Device(size_t length) : length_(length) { CHECK(cudaMalloc(&data_, bytes())); }
  explicit Device(const std::vector<T>& from) : Device(from.size()) { write(from); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { cudaFree(data_); }

  operator T*() const { return data_; }
  size_t bytes() const { return length_ * sizeof(T); }
  void write(const std::vector<T>& from) {
    CHECK(cudaMemcpy(data_, from.data(), bytes(), cudaMemcpyHostToDevice));
  }
  std::vector<T> read() const {
    std::vector<T> to(length_);
    CHECK(cudaMemcpy(to.data(), data_, bytes(), cudaMemcpyDeviceToHost));
    return to;
  }

 private:
  T* data_ = nullptr;
  size_t length_;
};

template <class T>
Device(const std::vector<T>&) -> Device<T>;

inline int attribute(cudaDeviceAttr which, int device = 0) {
  int value = 0;
  CHECK(cudaDeviceGetAttribute(&value, which, device));
  return value;
}

// Returned by every main: whatever is still running must end well.
inline int done() {
  CHECK(cudaDeviceSynchronize());
  std::puts("ok");
  return 0;
}
