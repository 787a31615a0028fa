// SPDX-License-Identifier: BSD-3-Clause
// Launches: parameters come packed in the kernel's own layout and go to the driver as they are.
#include <algorithm>
#include <array>
#include <cstring>

#include "wire/code_messages.h"
#include "worker/calls.h"
#include "worker/launch_attributes.h"

namespace worker {
namespace {

constexpr std::size_t kMostParamBytes = 32764;  // CUDA's own limit on what a kernel takes

CUresult launch(Session& session, const wire::Launch& message) {
  const Handles::Entry entry = session.handles().entry(wire::Kind::function, message.function);
  if (entry.handle == nullptr) return CUDA_ERROR_INVALID_HANDLE;
  const auto function = static_cast<CUfunction>(entry.handle);
  const CUstream stream = session.handle<CUstream>(wire::Kind::stream, message.stream);
  if (message.params.size() > kMostParamBytes) return CUDA_ERROR_INVALID_VALUE;
  if (entry.param_bytes > static_cast<std::int64_t>(message.params.size())) return CUDA_ERROR_INVALID_VALUE;

  // A driver that knows better than we how much the kernel takes finds zeros, not memory of ours. The copy
  // is aligned as parameters are.
  alignas(64) static thread_local std::array<std::byte, kMostParamBytes + 4> params;
  static thread_local std::size_t dirty = 0;
  std::memcpy(params.data(), message.params.data(), message.params.size());
  if (dirty > message.params.size())
    std::memset(params.data() + message.params.size(), 0, dirty - message.params.size());
  dirty = message.params.size();
  std::size_t size = message.params.size();
  std::array<void*, 5> extra{CU_LAUNCH_PARAM_BUFFER_POINTER, params.data(), CU_LAUNCH_PARAM_BUFFER_SIZE,
                             &size, CU_LAUNCH_PARAM_END};
  void** packed = size != 0 ? extra.data() : nullptr;

  const auto& [gx, gy, gz] = message.grid;
  const auto& [bx, by, bz] = message.block;
  const DriverTable& driver = session.driver();
  if (message.attributes.empty()) {
    return call(driver.cuLaunchKernel, function, gx, gy, gz, bx, by, bz, message.shared_bytes, stream,
                static_cast<void**>(nullptr), packed);
  }
  LaunchConfig launch(session, message.attributes);
  launch.set_shape(message.grid, message.block);
  launch.config.sharedMemBytes = message.shared_bytes;
  launch.config.hStream = stream;
  return call(driver.cuLaunchKernelEx, &launch.config, function, static_cast<void**>(nullptr), packed);
}

}  // namespace

void add_launch_calls(CallTable& table) { table.serve<&launch>(wire::Opcode::Launch); }

}  // namespace worker
