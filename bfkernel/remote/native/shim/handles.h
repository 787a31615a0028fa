// SPDX-License-Identifier: BSD-3-Clause
// The objects behind the handles that a program holds: a tag to recognise them by, and the id that the worker
// knows.
//
// Their memory is never given back to the system, only reused for objects of the same type: so a stale handle
// can be looked at safely and is found invalid.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <type_traits>
#include <vector>

#include "shim/cuda_api.h"
#include "shim/failure.h"
#include "shim/watch.h"
#include "wire/handles.h"

namespace shim {

struct ContextObject;

struct Object {
  std::atomic<wire::Kind> kind{wire::Kind::none};  // none: free
  uint64_t tag = 0;
  uint64_t id = 0;
  ContextObject* context = nullptr;  // the context that it belongs to
};

inline constexpr uint64_t kObjectTag = 0x6C656E72656B6662;  // "bfkernel"

struct StreamObject : Object {  // its context may be a green one
  unsigned flags = 0;
  int priority = 0;
  Watch watch;
  void renew() { watch.renew(); }
};
struct EventObject : Object {  // events.h
  Watch watch;
  Recording recording;  // under the watch's mutex
  void renew() {
    watch.renew();
    recording = {};
  }
};
struct ArrayObject;
struct MipmappedObject;
struct PoolObject : Object {
  int device = 0;         // lease ordinal
  uint64_t max_size = 0;  // bytes; 0: what the lease has
  void renew() { max_size = 0; }
};

// Handle type → object type, kind, and the error for a handle that is none.
template <class H>
struct Traits;
#define BFKERNEL_HANDLE(handle, object, kind_name, error)     \
  template <>                                                 \
  struct Traits<handle> {                                     \
    using Type = object;                                      \
    static constexpr wire::Kind kind = wire::Kind::kind_name; \
    static constexpr CUresult invalid = error;                \
  }
struct ModuleObject;
struct LibraryObject;
struct FunctionObject;
struct LinkObject;
struct GraphObject;
struct GraphNodeObject;
struct GraphExecObject;
struct UserObject;
struct ResourceDescriptionObject : Object {};
struct GreenContextObject : Object {
  ContextObject* as_context = nullptr;  // which cuCtxFromGreenCtx hands out, with the same id
};
BFKERNEL_HANDLE(CUcontext, ContextObject, context, CUDA_ERROR_INVALID_CONTEXT);
BFKERNEL_HANDLE(CUstream, StreamObject, stream, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUevent, EventObject, event, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUmemoryPool, PoolObject, pool, CUDA_ERROR_INVALID_VALUE);
BFKERNEL_HANDLE(CUmodule, ModuleObject, module, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUlibrary, LibraryObject, library, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUfunction, FunctionObject, function, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUkernel, FunctionObject, function, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUarray, ArrayObject, array, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUmipmappedArray, MipmappedObject, mipmapped_array, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUlinkState, LinkObject, link, CUDA_ERROR_INVALID_HANDLE);
BFKERNEL_HANDLE(CUgraph, GraphObject, graph, CUDA_ERROR_INVALID_VALUE);
BFKERNEL_HANDLE(CUgraphNode, GraphNodeObject, graph_node, CUDA_ERROR_INVALID_VALUE);
BFKERNEL_HANDLE(CUgraphExec, GraphExecObject, graph_exec, CUDA_ERROR_INVALID_VALUE);
BFKERNEL_HANDLE(CUuserObject, UserObject, user_object, CUDA_ERROR_INVALID_VALUE);
BFKERNEL_HANDLE(CUgreenCtx, GreenContextObject, green_context, CUDA_ERROR_INVALID_CONTEXT);
BFKERNEL_HANDLE(CUdevResourceDesc, ResourceDescriptionObject, resource_description, CUDA_ERROR_INVALID_VALUE);
#undef BFKERNEL_HANDLE

// One stretch of addresses that holds all objects and nothing else. A number that a program passes as a
// handle can so be told from an object without touching what it points to.
class Arena {
 public:
  // Memory that reads as zero, never given back. Throws std::bad_alloc when the arena is full.
  static void* take(size_t size);
  static bool holds(const void* pointer) {
    return reinterpret_cast<uintptr_t>(pointer) - begin_ < size_.load(std::memory_order_acquire);
  }
  static constexpr size_t kAlignment = 64;

 private:
  static inline std::mutex mutex_;
  static inline uintptr_t begin_ = 0;
  static inline size_t used_ = 0;
  static inline std::atomic<size_t> size_{0};  // 0 until there is one
};

// Room for objects of one type, reused but never unmapped.
template <class T>
class Store {
 public:
  T* allocate() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return new (Arena::take(sizeof(T))) T;
    T* object = free_.back();
    free_.pop_back();
    return object;
  }
  void release(T* object) {
    object->kind = wire::Kind::none;
    const std::lock_guard lock(mutex_);
    free_.push_back(object);
  }

 private:
  std::mutex mutex_;
  std::vector<T*> free_;
};

template <class T>
Store<T>& store() {
  static auto& instance = *new Store<T>;
  return instance;
}

uint64_t next_id();
ContextObject* current_context();  // null if the thread has none
ContextObject* home_context();     // what belongs to the current context belongs to this one

// The object behind a handle, or Failure.
template <class H>
typename Traits<H>::Type* object_of(H handle) {
  using T = typename Traits<H>::Type;
  auto* object = reinterpret_cast<T*>(handle);
  const bool ours = Arena::holds(object) && reinterpret_cast<uintptr_t>(object) % Arena::kAlignment == 0;
  if (!ours || object->tag != kObjectTag || object->kind.load(std::memory_order_relaxed) != Traits<H>::kind)
    throw Failure{Traits<H>::invalid};
  return object;
}

template <class H>
H create() {
  auto* object = store<typename Traits<H>::Type>().allocate();
  object->tag = kObjectTag;
  object->id = next_id();
  object->context = std::is_same_v<H, CUstream> ? current_context() : home_context();
  if constexpr (requires { object->renew(); }) object->renew();
  object->kind = Traits<H>::kind;
  return reinterpret_cast<H>(object);
}

template <class H>
void release(H handle) {
  store<typename Traits<H>::Type>().release(object_of(handle));
}
void release(CUmodule module);
void release(CUlibrary library);

// How a handle is named on the wire. For a stream this knows the default streams.
template <class H>
uint64_t id_of(H handle) {
  return object_of(handle)->id;
}
uint64_t id_of(CUstream stream);
uint64_t id_of(CUcontext context);
// Some stream of the program's does not wait for the legacy stream: what a call has left to do in one stream
// is not ordered before what comes next in another.
inline std::atomic<bool> streams_apart{false};
// Of the stream as the calling thread, which has a context, means it.
Watch& watch_of(CUstream stream);

// The context that an object belongs to, where the calling thread has none.
template <class H>
ContextObject* context_of(H handle) {
  return object_of(handle)->context;
}
ContextObject* context_of(CUstream stream);
ContextObject* context_of(CUcontext context);

}  // namespace shim
