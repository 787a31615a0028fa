// SPDX-License-Identifier: BSD-3-Clause
#include "launch.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <tuple>

#include "occupancy.h"
#include "texture_objects.h"

namespace softgpu::driver {
namespace {

std::atomic<uint64_t> next_grid_id{1};

// From `extra`: a flat buffer, laid out by the caller as the kernel declares it.
std::vector<std::byte> flat_params(void** extra, const KernelInfo& info) {
  const void* buffer = nullptr;
  const size_t* size = nullptr;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      buffer = extra[1];
    } else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) {
      size = static_cast<const size_t*>(extra[1]);
    } else {
      fail(CUDA_ERROR_INVALID_VALUE);
    }
  }
  require(info.param_bytes == 0 || (buffer != nullptr && size != nullptr));
  std::vector<std::byte> params(info.param_bytes);
  if (params.empty()) return params;
  // The last parameter's padding may be left out.
  const softgpu::ParamInfo& last = info.params.back();
  require(*size >= last.offset + last.size);
  std::memcpy(params.data(), buffer, std::min(*size, params.size()));
  return params;
}

std::vector<std::byte> gather_params(void** kernel_params, void** extra, const KernelInfo& info) {
  require(kernel_params == nullptr || extra == nullptr);
  if (extra) return flat_params(extra, info);
  require(kernel_params != nullptr || info.params.empty());
  std::vector<std::byte> params(info.param_bytes);
  for (size_t i = 0; i < info.params.size(); ++i) {
    require(kernel_params[i] != nullptr);
    std::memcpy(params.data() + info.params[i].offset, kernel_params[i], info.params[i].size);
  }
  return params;
}

void check_shape(const Device& device, const KernelInfo& info, const LaunchConfig& config) {
  constexpr uint32_t most_grid[3] = {0x7fffffff, 65535, 65535};
  constexpr uint32_t most_block[3] = {1024, 1024, 64};
  for (int axis = 0; axis < 3; ++axis) {
    require(config.grid[axis] >= 1 && config.grid[axis] <= most_grid[axis]);
    require(config.block[axis] >= 1 && config.block[axis] <= most_block[axis]);
  }
  uint64_t threads = uint64_t{config.block[0]} * config.block[1] * config.block[2];
  require(threads <= static_cast<uint64_t>(device.limits.max_threads_per_block));
  require(threads <= static_cast<uint64_t>(info.max_threads_per_block));
  // Clusters of several blocks are more than this device can do.
  for (int blocks : info.required_cluster) require(blocks <= 1, CUDA_ERROR_INVALID_CLUSTER_SIZE);
  if (info.required_block[0] == 0) return;
  for (int axis = 0; axis < 3; ++axis) {
    require(config.block[axis] == static_cast<uint32_t>(std::max(info.required_block[axis], 1)));
  }
}

void check_cooperative(const Device& device, const Function& function, const LaunchConfig& config) {
  int threads = static_cast<int>(config.block[0] * config.block[1] * config.block[2]);
  int blocks = active_blocks(device, function, threads, config.dynamic_shared_bytes);
  uint64_t grid = uint64_t{config.grid[0]} * config.grid[1] * config.grid[2];
  require(grid <= uint64_t(blocks) * device.multiprocessors, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
}

// Machine code can be looked up, so that libraries start; it is here that it turns out not to run.
void check_executable(const Device& device, const Function& function) {
  const KernelInfo& info = softgpu::info(*function.kernel);
  if (!info.machine_code) return;
  if (!function.settings->refused.exchange(true)) {
    std::fprintf(
        stderr,
        "softgpu: kernel %s is machine code for sm_%d without PTX beside it; device %d is emulated and "
        "executes PTX only\n",
        info.name.c_str(), info.ptx_version, device.ordinal);
  }
  fail(CUDA_ERROR_NO_BINARY_FOR_GPU);
}

}  // namespace

Launch prepare_launch(const std::shared_ptr<Context>& context, CUfunction f, const LaunchShape& shape,
                      void** kernel_params, void** extra) {
  Launch launch;
  launch.context = context;
  launch.function = resolve_function(*context, f);
  launch.module = launch.function->module.lock();
  require(launch.module != nullptr, CUDA_ERROR_INVALID_HANDLE);
  require(launch.module->context.lock() == context, CUDA_ERROR_INVALID_HANDLE);
  const KernelInfo& info = softgpu::info(*launch.function->kernel);
  const Device& device = context->device;
  check_executable(device, *launch.function);
  LaunchConfig& config = launch.config;
  std::copy_n(shape.grid, 3, config.grid.begin());
  std::copy_n(shape.block, 3, config.block.begin());
  config.dynamic_shared_bytes = shape.shared_bytes;
  config.cooperative = shape.cooperative;
  config.compute_capability = device.compute_capability;
  config.multiprocessors = device.multiprocessors;
  config.textures = &TextureObjects::instance();
  if (softgpu::uses_heap(launch.module->instance().program())) {
    std::tie(config.heap_begin, config.heap_end) = context->heap();
  }
  check_shape(device, info, config);
  require(shape.shared_bytes <= max_dynamic_shared(device, *launch.function));
  if (shape.cooperative) check_cooperative(device, *launch.function, config);
  launch.params = gather_params(kernel_params, extra, info);
  return launch;
}

void run(const Launch& launch) {
  LaunchConfig config = launch.config;
  config.params = launch.params;
  config.grid_id = next_grid_id.fetch_add(1);
  FaultReport report = softgpu::launch(launch.module->instance(), *launch.function->kernel, config,
                                       launch.context->memory, launch.context->printf);
  if (report.fault != softgpu::Fault::none) launch.context->poison(report);
}

void apply(const CUlaunchAttribute& attribute, LaunchShape* shape) {
  const CUlaunchAttributeValue& value = attribute.value;
  switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      shape->cooperative = value.cooperative != 0;
      break;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
      require(value.clusterDim.x == 1 && value.clusterDim.y == 1 && value.clusterDim.z == 1,
              CUDA_ERROR_INVALID_CLUSTER_SIZE);
      break;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
      fail(CUDA_ERROR_NOT_SUPPORTED);
    default:
      require(attribute.id >= CU_LAUNCH_ATTRIBUTE_IGNORE && attribute.id < CU_LAUNCH_ATTRIBUTE_MAX);
  }
}

}  // namespace softgpu::driver
