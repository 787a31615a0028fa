// SPDX-License-Identifier: BSD-3-Clause
// User objects: the program's own things, released by its destructor once no graph needs them.
#pragma once

#include <memory>

#include "api.h"

namespace softgpu::driver {

// The guard of all that graphs consist of is held wherever `references` is touched (graphs_mutex).
struct UserObject {
  void* pointer;
  CUhostFn destroy;
  unsigned long long references;

  CUuserObject handle() { return reinterpret_cast<CUuserObject>(this); }
};

void retain(UserObject& object, unsigned count);
// With the last reference the destructor is called, on a thread of the driver's. Throws INVALID_VALUE when
// there are fewer references.
void release(UserObject& object, unsigned count);

}  // namespace softgpu::driver
