// SPDX-License-Identifier: BSD-3-Clause
// cuUserObject*, and graphs that keep user objects.
#include "graph.h"
#include "user_object.h"

namespace softgpu::driver {

void retain(UserObject& object, unsigned count) { object.references += count; }

void release(UserObject& object, unsigned count) {
  require(count <= object.references);
  object.references -= count;
  if (object.references > 0) return;
  static auto* queue = new std::shared_ptr<Queue>(std::make_shared<Queue>(0));
  Operation call;
  call.run = [destroy = object.destroy, pointer = object.pointer] { destroy(pointer); };
  call.calls_program = true;
  Scheduler::instance().submit(*queue, std::move(call));
  registry<UserObject>().remove(object.handle());
}

}  // namespace softgpu::driver

using namespace softgpu::driver;

SOFTGPU_API cuUserObjectCreate(CUuserObject* object_out, void* ptr, CUhostFn destroy,
                               unsigned int initialRefcount, unsigned int flags) {
  return with_graphs([&] {
    require(object_out != nullptr && destroy != nullptr && initialRefcount > 0);
    require(flags == CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
    auto object = std::make_shared<UserObject>(UserObject{ptr, destroy, initialRefcount});
    *object_out = registry<UserObject>().add<CUuserObject>(std::move(object));
  });
}

SOFTGPU_API cuUserObjectRetain(CUuserObject object, unsigned int count) {
  return with_graphs([&] {
    require(count > 0);
    retain(*registry<UserObject>().get(object, CUDA_ERROR_INVALID_VALUE), count);
  });
}

SOFTGPU_API cuUserObjectRelease(CUuserObject object, unsigned int count) {
  return with_graphs([&] {
    require(count > 0);
    release(*registry<UserObject>().get(object, CUDA_ERROR_INVALID_VALUE), count);
  });
}

SOFTGPU_API cuGraphRetainUserObject(CUgraph graph, CUuserObject object, unsigned int count,
                                    unsigned int flags) {
  return with_graphs([&] {
    require(count > 0 && (flags & ~static_cast<unsigned>(CU_GRAPH_USER_OBJECT_MOVE)) == 0);
    std::shared_ptr<UserObject> kept = registry<UserObject>().get(object, CUDA_ERROR_INVALID_VALUE);
    graph_of(graph)->keep(kept, count, flags & CU_GRAPH_USER_OBJECT_MOVE);
  });
}

SOFTGPU_API cuGraphReleaseUserObject(CUgraph graph, CUuserObject object, unsigned int count) {
  return with_graphs([&] {
    require(count > 0);
    graph_of(graph)->let_go(*registry<UserObject>().get(object, CUDA_ERROR_INVALID_VALUE), count);
  });
}
