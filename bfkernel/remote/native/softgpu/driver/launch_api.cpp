// SPDX-License-Identifier: BSD-3-Clause
// Launching kernels.
#include "capture.h"
#include "current.h"
#include "event.h"
#include "graph_work.h"
#include "launch.h"

using namespace softgpu::driver;

namespace {

using Events = std::vector<std::shared_ptr<Event>>;

void launch(Context& current, CUfunction f, const LaunchShape& shape, CUstream stream_handle,
            void** kernel_params, void** extra, KernelAttributes attributes = {}, const Events& events = {}) {
  std::shared_ptr<Stream> stream = resolve_stream(current, stream_handle);
  Launch launch = prepare_launch(owner(*stream), f, shape, kernel_params, extra);
  for (const auto& event : events) {
    require(event->context.lock() == launch.context, CUDA_ERROR_INVALID_HANDLE);
  }
  if (capturing(*stream)) {
    capture(*stream, kernel_work(f, std::move(launch), std::move(attributes)));
  } else {
    submit(*stream, [launch = std::move(launch)] { run(launch); });
  }
  // They may be reached as soon as all blocks have begun, or have said so; here, when the kernel has ended.
  for (const auto& event : events) record(*event, *stream);
}

// The event that a launch is to record besides, as its attribute asks; null for other attributes.
std::shared_ptr<Event> event_in(const CUlaunchAttribute& attribute) {
  const CUlaunchAttributeValue& value = attribute.value;
  const bool programmatic = attribute.id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT;
  if (!programmatic && attribute.id != CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT) return nullptr;
  const CUevent handle = programmatic ? value.programmaticEvent.event : value.launchCompletionEvent.event;
  require((programmatic ? value.programmaticEvent.flags : value.launchCompletionEvent.flags) == 0);
  std::shared_ptr<Event> event = registry<Event>().get(handle);
  require(!event->timed() && event->shared == nullptr);
  return event;
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
    Events events;
    for (unsigned i = 0; i < config->numAttrs; ++i) {
      if (auto event = event_in(config->attrs[i])) {
        events.push_back(std::move(event));
        continue;
      }
      apply(config->attrs[i], &shape);
      attributes[config->attrs[i].id] = config->attrs[i].value;
    }
    launch(context, f, shape, config->hStream, kernelParams, extra, std::move(attributes), events);
  });
}
