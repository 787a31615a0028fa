// SPDX-License-Identifier: BSD-3-Clause
// Kernels and variables made known to the runtime library as a CUDA compiler's start-up code makes them
// known: for runtime libraries before 12.8, which cannot load PTX themselves. These entry points are exported
// by every libcudart and called by every program that nvcc or clang has built.
#pragma once

extern "C" {
void** __cudaRegisterFatBinary(void* wrapper);
void __cudaRegisterFatBinaryEnd(void** handle);
void __cudaRegisterFunction(void** handle, const char* host, char* device, const char* name, int limit,
                            void* tid, void* bid, void* block, void* grid, int* size);
void __cudaRegisterVar(void** handle, char* host, char* device, const char* name, int external, size_t bytes,
                       int constant, int global);
void __cudaRegisterManagedVar(void** handle, void** host, char* device, const char* name, int external,
                              size_t bytes, int constant, int global);
char __cudaInitModule(void** handle);
}

// A fat binary with one entry, the PTX, not compressed.
inline std::vector<uint64_t> fat_binary() {
  struct Container {
    uint32_t magic = 0xba55ed50;
    uint16_t version = 1, header_bytes = 16;
    uint64_t bytes = 0;
  } container;
  struct Entry {
    uint16_t kind = 1, flags = 0x0101;  // PTX
    uint32_t header_bytes = 64;
    uint64_t bytes = 0;
    uint32_t stored_bytes = 0, options = 0;
    uint32_t version = 0x00080000, architecture = 75;
    uint32_t source = 0, source_bytes = 0;
    uint64_t traits = 0x11;  // Linux, 64 bits
    uint64_t zero = 0, plain_bytes = 0;
  } entry;
  const size_t text = static_cast<size_t>(conformance_ptx_end - conformance_ptx),
               padded = (text + 7) & ~size_t{7};
  entry.bytes = padded;
  container.bytes = sizeof entry + padded;
  std::vector<uint64_t> all((sizeof container + sizeof entry + padded) / 8);
  char* at = reinterpret_cast<char*>(all.data());
  std::memcpy(at, &container, sizeof container);
  std::memcpy(at + sizeof container, &entry, sizeof entry);
  std::memcpy(at + sizeof container + sizeof entry, conformance_ptx, text);
  return all;
}

inline void** registration() {
  static std::vector<uint64_t> binary = fat_binary();
  static struct {
    int magic = 0x466243b1, version = 1;
    const void* data = binary.data();
    void* unused = nullptr;
  } wrapper;
  static void** handle = [] {
    void** made = __cudaRegisterFatBinary(&wrapper);
    __cudaRegisterFatBinaryEnd(made);
    return made;
  }();
  return handle;
}

inline void load_kernels_again() {}

// Objects of these two are made before main; their addresses are what the runtime knows them by.
template <class... P>
class Kernel {
 public:
  explicit Kernel(const char* name) {
    __cudaRegisterFunction(registration(), reinterpret_cast<char*>(this), const_cast<char*>(name), name, -1,
                           nullptr, nullptr, nullptr, nullptr, nullptr);
  }
  const void* handle() { return this; }
};

struct Global {
  explicit Global(const char* name) {
    __cudaRegisterVar(registration(), reinterpret_cast<char*>(this), const_cast<char*>(name), name, 0, 8, 0,
                      0);
  }
};

inline cudaError_t symbol_address(void** address, const Global& symbol) {
  return cudaGetSymbolAddress(address, &symbol);
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

#define GLOBAL(name) static Global name(#name)

// The runtime writes the variable's address when the module is initialised.
template <class T>
class ManagedVariable {
 public:
  explicit ManagedVariable(const char* name) {
    __cudaRegisterManagedVar(registration(), &at_, const_cast<char*>(name), name, 0, sizeof(T), 0, 0);
  }
  T& here() {
    __cudaInitModule(registration());
    return *static_cast<T*>(at_);
  }

 private:
  void* at_ = nullptr;
};

#define MANAGED(type, name)                            \
  static ManagedVariable<Type<type>> name##_there(#name); \
  static Type<type>& here_##name() { return name##_there.here(); }
