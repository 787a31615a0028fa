// SPDX-License-Identifier: BSD-3-Clause
// Launching kernels.
#include "capture.h"
#include "current.h"
#include "graph_work.h"
#include "launch.h"

using namespace softgpu::driver;

namespace {

void launch(Context& current, CUfunction f, const LaunchShape& shape, CUstream stream_handle,
            void** kernel_params, void** extra, KernelAttributes attributes = {}) {
  std::shared_ptr<Stream> stream = resolve_stream(current, stream_handle);
  Launch launch = prepare_launch(owner(*stream), f, shape, kernel_params, extra);
  if (capturing(*stream)) {
    capture(*stream, kernel_work(f, std::move(launch), std::move(attributes)));
    return;
  }
  submit(*stream, [launch = std::move(launch)] { run(launch); });
}

}  // namespace

SOFTGPU_API cuLaunchKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ,
                           unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ,
                           unsigned int sharedMemBytes, CUstream hStream, void** kernelParams, void** extra) {
  return with_context([&](Context& context) {
    LaunchShape shape = {
        {gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes, false};
    launch(context, f, shape, hStream, kernelParams, extra);
  });
}

SOFTGPU_API cuLaunchCooperativeKernel(CUfunction f, unsigned int gridDimX, unsigned int gridDimY,
                                      unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
                                      unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream,
                                      void** kernelParams) {
  return with_context([&](Context& context) {
    LaunchShape shape = {
        {gridDimX, gridDimY, gridDimZ}, {blockDimX, blockDimY, blockDimZ}, sharedMemBytes, true};
    launch(context, f, shape, hStream, kernelParams, nullptr);
  });
}

SOFTGPU_API cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction f, void** kernelParams, void** extra) {
  return with_context([&](Context& context) {
    require(config != nullptr && (config->numAttrs == 0 || config->attrs != nullptr));
    LaunchShape shape = {{config->gridDimX, config->gridDimY, config->gridDimZ},
                         {config->blockDimX, config->blockDimY, config->blockDimZ},
                         config->sharedMemBytes,
                         false};
    KernelAttributes attributes;
    for (unsigned i = 0; i < config->numAttrs; ++i) {
      apply(config->attrs[i], &shape);
      attributes[config->attrs[i].id] = config->attrs[i].value;
    }
    launch(context, f, shape, config->hStream, kernelParams, extra, std::move(attributes));
  });
}
