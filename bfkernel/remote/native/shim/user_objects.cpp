// SPDX-License-Identifier: BSD-3-Clause
// User objects: things of the program that end when no graph needs them any more. All of it happens here.
#include <mutex>

#include "shim/api.h"
#include "shim/graphs.h"

namespace shim::user_objects {
namespace {

std::mutex& mutex = *new std::mutex;

void drop(UserObject* object, uint64_t count) {
  {
    const std::lock_guard lock(mutex);
    require(count <= object->references, CUDA_ERROR_INVALID_VALUE);
    object->references -= count;
    if (object->references > 0) return;
  }
  // The program's own function: it may use user objects itself.
  const CUhostFn destroy = object->destroy;
  void* pointer = object->pointer;
  store<UserObject>().release(object);
  destroy(pointer);
}

void add(UserObject* object, uint64_t count) {
  const std::lock_guard lock(mutex);
  object->references += count;
}

}  // namespace

void retain(HeldObjects& by, const HeldObjects& all) {
  for (const auto& [object, count] : all) {
    add(object, count);
    by[object] += count;
  }
}

void release(HeldObjects& by) {
  HeldObjects all;
  all.swap(by);
  for (const auto& [object, count] : all) drop(object, count);
}

}  // namespace shim::user_objects

namespace shim::api {

CUresult cuUserObjectCreate(CUuserObject* object_out, void* ptr, CUhostFn destroy,
                            unsigned int initialRefcount, unsigned int flags) {
  require(object_out);
  require(destroy && initialRefcount > 0 && flags == CU_USER_OBJECT_NO_DESTRUCTOR_SYNC,
          CUDA_ERROR_INVALID_VALUE);
  const auto made = create<CUuserObject>();
  UserObject* object = object_of(made);
  object->pointer = ptr;
  object->destroy = destroy;
  object->references = initialRefcount;
  *object_out = made;
  return CUDA_SUCCESS;
}

CUresult cuUserObjectRetain(CUuserObject object, unsigned int count) {
  require(count > 0, CUDA_ERROR_INVALID_VALUE);
  user_objects::add(object_of(object), count);
  return CUDA_SUCCESS;
}

CUresult cuUserObjectRelease(CUuserObject object, unsigned int count) {
  require(count > 0, CUDA_ERROR_INVALID_VALUE);
  user_objects::drop(object_of(object), count);
  return CUDA_SUCCESS;
}

CUresult cuGraphRetainUserObject(CUgraph graph, CUuserObject object, unsigned int count, unsigned int flags) {
  GraphObject* holder = object_of(graph);
  UserObject* held = object_of(object);
  const bool moved = flags == CU_GRAPH_USER_OBJECT_MOVE;
  require(count > 0 && (flags == 0 || moved), CUDA_ERROR_INVALID_VALUE);
  if (!moved) user_objects::add(held, count);
  holder->held[held] += count;
  return CUDA_SUCCESS;
}

CUresult cuGraphReleaseUserObject(CUgraph graph, CUuserObject object, unsigned int count) {
  GraphObject* holder = object_of(graph);
  UserObject* held = object_of(object);
  const auto found = holder->held.find(held);
  require(found != holder->held.end() && count > 0 && count <= found->second, CUDA_ERROR_INVALID_VALUE);
  found->second -= count;
  if (found->second == 0) holder->held.erase(found);
  user_objects::drop(held, count);
  return CUDA_SUCCESS;
}

}  // namespace shim::api
