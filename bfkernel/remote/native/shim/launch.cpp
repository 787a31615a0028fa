// SPDX-License-Identifier: BSD-3-Clause
// Launches: the hot path. Look up the layout, pack the parameters, append one frame.
#include "shim/launch.h"

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstring>
#include <mutex>
#include <set>

#include "shim/api.h"
#include "shim/devices.h"
#include "shim/launch_attributes.h"
#include "shim/modules.h"
#include "shim/request.h"
#include "wire/code_messages.h"

namespace shim {
namespace {

using Dim = std::array<uint32_t, 3>;

struct Grid {
  Dim grid;
  Dim block;
  uint32_t shared_bytes;
  CUstream stream;
};

// What a block of more threads than the kernel takes fails with: too few registers, or its launch bounds.
CUresult excess(uint64_t threads, const FunctionObject* function, const LaunchLimits& limits) {
  const auto& attributes = function->attributes;
  const uint64_t each =
      attributes.size() > CU_FUNC_ATTRIBUTE_NUM_REGS ? attributes[CU_FUNC_ATTRIBUTE_NUM_REGS] : 0;
  return each * threads > limits.registers ? CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES : CUDA_ERROR_INVALID_VALUE;
}

// Streams in which a launch had nothing to run.
std::mutex& without_results_mutex = *new std::mutex;
std::set<CUstream>& without_results = *new std::set<CUstream>;
std::atomic<bool> any_without_results{false};

// False on an emulated GPU that was given machine code. Such a launch fails at once, as it does natively.
bool has_code(const FunctionObject* function) {
  constexpr size_t threads = CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK,
                   binary = CU_FUNC_ATTRIBUTE_BINARY_VERSION;
  const auto& attributes = function->attributes;
  return attributes.size() <= binary || attributes[threads] <= 0 || attributes[binary] != 0;
}

// As the driver does, what cannot run at all is refused at once; the rest shows at a later call.
void check(const Grid& at, FunctionObject* function, const LaunchLimits& limits) {
  for (int i = 0; i < 3; ++i) {
    require(at.grid[i] > 0 && at.block[i] > 0, CUDA_ERROR_INVALID_VALUE);
    require(at.grid[i] <= limits.grid[i] && at.block[i] <= limits.block[i], CUDA_ERROR_INVALID_VALUE);
  }
  const uint64_t threads = uint64_t{at.block[0]} * at.block[1] * at.block[2];
  require(threads <= limits.threads, CUDA_ERROR_INVALID_VALUE);
  if (!function->attributes_known.load(std::memory_order_acquire)) learn_attributes(function);
  const auto& attributes = function->attributes;
  const auto known = [&](size_t index) { return index < attributes.size() && attributes[index] > 0; };
  if (!known(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK))
    return;  // a driver that does not know checks by itself
  require(threads <= static_cast<uint64_t>(attributes[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK]),
          excess(threads, function, limits));
  if (known(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES))
    require(
        at.shared_bytes <= static_cast<uint32_t>(attributes[CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES]),
        CUDA_ERROR_INVALID_VALUE);
}

wire::Bytes pack(const FunctionObject* function, void** params) {
  std::vector<std::byte>& packed = thread_state().params;
  packed.assign(function->param_bytes, std::byte{0});
  for (size_t i = 0; i < function->params.size(); ++i) {
    require(params[i]);
    std::memcpy(packed.data() + function->params[i].offset, params[i], function->params[i].size);
  }
  return packed;
}

wire::Bytes flat_buffer(void** extra) {
  const void* buffer = nullptr;
  size_t size = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = extra[1];
    else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
      std::memcpy(&size, extra[1], sizeof size);
    else
      throw Failure{CUDA_ERROR_INVALID_VALUE};
  }
  require(buffer || size == 0, CUDA_ERROR_INVALID_VALUE);
  return {static_cast<const std::byte*>(buffer), size};
}

}  // namespace

void require_results(CUstream stream) {
  if (!any_without_results.load(std::memory_order_relaxed)) [[likely]]
    return;
  const std::lock_guard lock(without_results_mutex);
  require(without_results.erase(stream) == 0, CUDA_ERROR_NO_BINARY_FOR_GPU);
}

wire::Bytes kernel_parameters(const FunctionObject* function, void** params, void** extra) {
  if (extra) {
    require(!params, CUDA_ERROR_INVALID_VALUE);
    return flat_buffer(extra);
  }
  if (!function->params_known) {
    require(!params, CUDA_ERROR_NOT_SUPPORTED);
    return {};
  }
  if (!function->params.empty()) require(params);
  return pack(function, params);
}

namespace {

CUresult launch(CUfunction f, const Grid& at, void** params, void** extra,
                std::vector<wire::LaunchAttribute> attributes = {}) {
  FunctionObject* function = object_of(f);
  ContextObject* context = contexts::current();
  check(at, function, context->limits);
  if (!has_code(function)) {
    const std::lock_guard lock(without_results_mutex);
    without_results.insert(at.stream);
    any_without_results = true;
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  wire::Launch message{function->id,
                       at.grid,
                       at.block,
                       at.shared_bytes,
                       id_of(at.stream),
                       std::move(attributes),
                       kernel_parameters(function, params, extra)};
  Request request(Opcode::Launch, Context::current);
  request.fields(message);
  request.post();
  return CUDA_SUCCESS;
}

// A grid whose blocks wait for each other must fit on the GPU as a whole, which is said at once. A block for
// each multiprocessor always fits, so that most launches ask nothing.
void check_cooperative(CUfunction f, const Grid& at) {
  const auto processors = static_cast<uint64_t>(
      devices::attribute(contexts::current()->visible_device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  const uint64_t blocks = uint64_t{at.grid[0]} * at.grid[1] * at.grid[2];
  if (blocks <= processors) return;
  const uint64_t threads = uint64_t{at.block[0]} * at.block[1] * at.block[2];
  int each = 0;
  const CUresult result = api::cuOccupancyMaxActiveBlocksPerMultiprocessor(
      &each, f, static_cast<int>(std::min<uint64_t>(threads, INT_MAX)), at.shared_bytes);
  require(result == CUDA_SUCCESS, result);
  require(blocks <= processors * static_cast<uint64_t>(each), CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
}

bool is_cooperative(const CUlaunchConfig& config) {
  return config.attrs &&
         std::any_of(config.attrs, config.attrs + config.numAttrs, [](const CUlaunchAttribute& one) {
           return one.id == CU_LAUNCH_ATTRIBUTE_COOPERATIVE && one.value.cooperative != 0;
         });
}

}  // namespace

namespace api {

CUresult cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
                        unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
                        unsigned int sharedMemBytes, CUstream hStream, void** kernelParams, void** extra) {
  return launch(f,
                {{gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes, hStream},
                kernelParams, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
                                   unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
                                   unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
                                   void** kernelParams) {
  const Grid at{{gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes, hStream};
  check_cooperative(f, at);
  CUlaunchAttributeValue cooperative{};
  cooperative.cooperative = 1;
  return launch(f, at, kernelParams, nullptr, {to_wire(CU_LAUNCH_ATTRIBUTE_COOPERATIVE, cooperative)});
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction f, void** kernelParams, void** extra) {
  require(config);
  const Grid at{{config->gridDimX, config->gridDimY, config->gridDimZ},
                {config->blockDimX, config->blockDimY, config->blockDimZ},
                config->sharedMemBytes,
                config->hStream};
  if (is_cooperative(*config)) check_cooperative(f, at);
  return launch(f, at, kernelParams, extra, to_wire(config->attrs, config->numAttrs));
}

}  // namespace api
}  // namespace shim
