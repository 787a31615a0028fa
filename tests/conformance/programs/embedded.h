// SPDX-License-Identifier: BSD-3-Clause
// Kernels whose PTX is part of the program as data (the file CONFORMANCE_PTX): a runtime library that has
// cudaLibraryLoadData (12.8 and newer) is given the text; an older one is given it as nvcc's own start-up
// code would.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

// clang-format off
__asm__(
    ".pushsection .rodata\n"
    "conformance_ptx: .incbin \"" CONFORMANCE_PTX "\"\n"
    ".byte 0\n"
    "conformance_ptx_end:\n"
    ".popsection\n");
// clang-format on
extern "C" const char conformance_ptx[], conformance_ptx_end[];

#if CUDART_VERSION >= 12080

struct Loaded {
  cudaLibrary_t library = nullptr;
  unsigned generation = 0;  // counts the loads: a handle of an earlier one is looked up again
};

inline Loaded& loaded() {
  static Loaded it;
  return it;
}

inline cudaError_t library_of(cudaLibrary_t* library) {
  cudaError_t error = cudaSuccess;
  if (!loaded().library) {
    error = cudaLibraryLoadData(&loaded().library, conformance_ptx, nullptr, nullptr, 0, nullptr, nullptr, 0);
    ++loaded().generation;
  }
  *library = loaded().library;
  return error;
}

// After cudaDeviceReset.
inline void load_kernels_again() { loaded().library = nullptr; }

template <class... P>
class Kernel {
 public:
  explicit Kernel(const char* name) : name_(name) {}
  const void* handle() {
    cudaLibrary_t library;
    CHECK(library_of(&library));
    if (generation_ != loaded().generation) CHECK(cudaLibraryGetKernel(&kernel_, library, name_));
    generation_ = loaded().generation;
    return kernel_;
  }

 private:
  const char* name_;
  cudaKernel_t kernel_ = nullptr;
  unsigned generation_ = 0;
};

struct Global {
  const char* name;
};

inline cudaError_t symbol_address(void** address, const Global& symbol) {
  cudaLibrary_t library;
  size_t bytes;
  const cudaError_t error = library_of(&library);
  return error ? error : cudaLibraryGetGlobal(address, &bytes, library, symbol.name);
}

inline cudaError_t write_symbol(const Global& symbol, const void* from, size_t bytes) {
  void* to;
  const cudaError_t error = symbol_address(&to, symbol);
  return error ? error : cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice);
}

inline cudaError_t read_symbol(void* to, const Global& symbol, size_t bytes) {
  void* from;
  const cudaError_t error = symbol_address(&from, symbol);
  return error ? error : cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost);
}

#define GLOBAL(name) \
  static const Global name { #name }

template <class T>
T& find_managed(const char* name) {
  cudaLibrary_t library;
  void* at;
  size_t bytes;
  CHECK(library_of(&library));
  CHECK(cudaLibraryGetManaged(&at, &bytes, library, name));
  REQUIRE(bytes == sizeof(T));
  return *static_cast<T*>(at);
}

#define MANAGED(type, name) \
  static Type<type>& here_##name() { return find_managed<Type<type>>(#name); }

#else
#include "registered.h"
#endif

#define KERNEL(name, ...) static Kernel<__VA_ARGS__> name(#name)

template <class... P>
const void* handle(Kernel<P...>& kernel) {
  return kernel.handle();
}

template <class... P>
cudaError_t try_launch(Kernel<P...>& kernel, Shape shape, typename Same<P>::type... arguments) {
  void* addresses[] = {&arguments..., nullptr};
  const cudaError_t error =
      cudaLaunchKernel(kernel.handle(), shape.grid, shape.block, addresses, shape.shared, shape.stream);
  cudaGetLastError();  // what the caller sees is the launch's own error
  return error;
}
