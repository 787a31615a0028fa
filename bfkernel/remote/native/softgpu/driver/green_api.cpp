// SPDX-License-Identifier: BSD-3-Clause
// Parts of a device's multiprocessors, and green contexts made of them.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "capture.h"
#include "current.h"
#include "event.h"
#include "green.h"

namespace softgpu::driver {
namespace {

std::atomic<unsigned long long> next_green_id{1};

}  // namespace

GreenContext::GreenContext(Device& device, const CUdevResource& multiprocessors)
    : context(device.primary), multiprocessors(multiprocessors), id(next_green_id.fetch_add(1)) {
  retain_primary(*context);
}

GreenContext::~GreenContext() { release_primary(*context); }

}  // namespace softgpu::driver

using namespace softgpu::driver;

namespace {

// Cores can be shared out one by one.
constexpr unsigned kSmallestPart = 1;

struct ResourceDescription {
  CUdevice device;
  CUdevResource multiprocessors;
};

// What a resource's private bytes hold: whose it is, so that no made-up one is taken.
struct Mark {
  uint64_t magic;
  CUdevice device;
};
constexpr uint64_t kMagic = 0x736f667467707501;
static_assert(sizeof(Mark) <= sizeof CUdevResource{}._internal_padding);

CUdevResource make_resource(CUdevice device, unsigned count) {
  CUdevResource resource = {};
  Mark mark = {kMagic, device};
  resource.type = CU_DEV_RESOURCE_TYPE_SM;
  std::memcpy(resource._internal_padding, &mark, sizeof mark);
  resource.sm.smCount = count;
  resource.sm.minSmPartitionSize = kSmallestPart;
  resource.sm.smCoscheduledAlignment = kSmallestPart;
  return resource;
}

// The device of a resource that came from here. Throws INVALID_RESOURCE_TYPE or INVALID_VALUE.
CUdevice device_of(const CUdevResource& resource) {
  require(resource.type == CU_DEV_RESOURCE_TYPE_SM, CUDA_ERROR_INVALID_RESOURCE_TYPE);
  Mark mark;
  std::memcpy(&mark, resource._internal_padding, sizeof mark);
  require(mark.magic == kMagic);
  const Device& device = Driver::get().device(mark.device);
  require(resource.sm.smCount >= 1 && resource.sm.smCount <= static_cast<unsigned>(device.multiprocessors));
  return mark.device;
}

CUdevResource whole(const Device& device) {
  return make_resource(device.ordinal, static_cast<unsigned>(device.multiprocessors));
}

void put(const CUdevResource& resource, CUdevResource* out, CUdevResourceType type) {
  require(out != nullptr);
  require(type == CU_DEV_RESOURCE_TYPE_SM, CUDA_ERROR_INVALID_RESOURCE_TYPE);
  *out = resource;
}

void put_rest(CUdevice device, unsigned count, CUdevResource* out) {
  if (!out) return;
  *out = {};
  if (count > 0) *out = make_resource(device, count);
}

std::shared_ptr<GreenContext> green_of(CUgreenCtx handle) {
  return registry<GreenContext>().get(handle, CUDA_ERROR_INVALID_CONTEXT);
}

}  // namespace

SOFTGPU_API cuDeviceGetDevResource(CUdevice device, CUdevResource* resource, CUdevResourceType type) {
  return with_driver([&](Driver& driver) { put(whole(driver.device(device)), resource, type); });
}

SOFTGPU_API cuCtxGetDevResource(CUcontext hCtx, CUdevResource* resource, CUdevResourceType type) {
  return with_driver([&](Driver&) {
    std::shared_ptr<GreenContext> green = hCtx ? named(hCtx).green : current_green();
    put(green ? green->multiprocessors : whole(context_of(hCtx)->device), resource, type);
  });
}

SOFTGPU_API cuGreenCtxGetDevResource(CUgreenCtx hCtx, CUdevResource* resource, CUdevResourceType type) {
  return with_driver([&](Driver&) { put(green_of(hCtx)->multiprocessors, resource, type); });
}

SOFTGPU_API cuStreamGetDevResource(CUstream hStream, CUdevResource* resource, CUdevResourceType type) {
  return with_context([&](Context& context) {
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    std::shared_ptr<GreenContext> green = green_behind(*stream);
    put(green ? green->multiprocessors : whole(owner(*stream)->device), resource, type);
  });
}

// Without room for the groups, how many there would be.
SOFTGPU_API cuDevSmResourceSplitByCount(CUdevResource* result, unsigned int* nbGroups,
                                        const CUdevResource* input, CUdevResource* remainder,
                                        unsigned int flags, unsigned int minCount) {
  return with_driver([&](Driver&) {
    constexpr unsigned known =
        CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING | CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE;
    require(nbGroups != nullptr && input != nullptr && (flags & ~known) == 0);
    CUdevice device = device_of(*input);
    unsigned size = std::max(minCount, kSmallestPart);
    unsigned possible = input->sm.smCount / size;
    require(possible > 0, CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
    if (!result) {
      *nbGroups = possible;
      return;
    }
    *nbGroups = std::min(*nbGroups, possible);
    for (unsigned i = 0; i < *nbGroups; ++i) result[i] = make_resource(device, size);
    put_rest(device, input->sm.smCount - *nbGroups * size, remainder);
  });
}

// A group that asks for no number gets what is left.
SOFTGPU_API cuDevSmResourceSplit(CUdevResource* result, unsigned int nbGroups, const CUdevResource* input,
                                 CUdevResource* remainder, unsigned int flags,
                                 CU_DEV_SM_RESOURCE_GROUP_PARAMS* groupParams) {
  return with_driver([&](Driver&) {
    require(nbGroups > 0 && input != nullptr && flags == 0 && groupParams != nullptr);
    CUdevice device = device_of(*input);
    unsigned left = input->sm.smCount;
    for (unsigned i = 0; i < nbGroups; ++i) {
      CU_DEV_SM_RESOURCE_GROUP_PARAMS& group = groupParams[i];
      require((group.flags & ~static_cast<unsigned>(CU_DEV_SM_RESOURCE_GROUP_BACKFILL)) == 0,
              CUDA_ERROR_NOT_SUPPORTED);
      if (group.smCount == 0) group.smCount = left;
      require(group.smCount >= kSmallestPart && group.smCount <= left,
              CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION);
      left -= group.smCount;
      if (result) result[i] = make_resource(device, group.smCount);
    }
    put_rest(device, left, remainder);
  });
}

SOFTGPU_API cuDevResourceGenerateDesc(CUdevResourceDesc* phDesc, CUdevResource* resources,
                                      unsigned int nbResources) {
  return with_driver([&](Driver&) {
    require(phDesc != nullptr && resources != nullptr && nbResources > 0);
    unsigned count = 0;
    CUdevice device = device_of(resources[0]);
    for (unsigned i = 0; i < nbResources; ++i) {
      require(device_of(resources[i]) == device);
      count += resources[i].sm.smCount;
    }
    require(count <= static_cast<unsigned>(Driver::get().device(device).multiprocessors));
    auto made =
        std::make_shared<ResourceDescription>(ResourceDescription{device, make_resource(device, count)});
    *phDesc = registry<ResourceDescription>().add<CUdevResourceDesc>(std::move(made));
  });
}

SOFTGPU_API cuGreenCtxCreate(CUgreenCtx* phCtx, CUdevResourceDesc desc, CUdevice dev, unsigned int flags) {
  return with_driver([&](Driver& driver) {
    require(phCtx != nullptr && (flags & ~static_cast<unsigned>(CU_GREEN_CTX_DEFAULT_STREAM)) == 0);
    std::shared_ptr<ResourceDescription> described =
        registry<ResourceDescription>().get(desc, CUDA_ERROR_INVALID_VALUE);
    Device& device = driver.device(dev);
    require(described->device == device.ordinal);
    auto made = std::make_shared<GreenContext>(device, described->multiprocessors);
    made->as_context = registry<GreenFront>().add<CUcontext>(std::make_shared<GreenFront>(made));
    *phCtx = registry<GreenContext>().add<CUgreenCtx>(std::move(made));
  });
}

// Its streams are detached: what was submitted goes on to its end, and nothing more is taken.
SOFTGPU_API cuGreenCtxDestroy(CUgreenCtx hCtx) {
  return with_driver([&](Driver&) {
    std::shared_ptr<GreenContext> gone = registry<GreenContext>().remove(hCtx);
    require(gone != nullptr, CUDA_ERROR_INVALID_CONTEXT);
    registry<GreenFront>().remove(gone->as_context);
    gone->ended = true;
    refuse_captures_of(*gone);
  });
}

SOFTGPU_API cuGreenCtxGetId(CUgreenCtx greenCtx, unsigned long long* greenCtxId) {
  return with_driver([&](Driver&) {
    require(greenCtxId != nullptr);
    *greenCtxId = green_of(greenCtx)->id;
  });
}

SOFTGPU_API cuCtxFromGreenCtx(CUcontext* pContext, CUgreenCtx hCtx) {
  return with_driver([&](Driver&) {
    require(pContext != nullptr);
    *pContext = green_of(hCtx)->as_context;
  });
}

SOFTGPU_API cuGreenCtxStreamCreate(CUstream* phStream, CUgreenCtx greenCtx, unsigned int flags,
                                   int priority) {
  return with_driver([&](Driver&) {
    require(phStream != nullptr && flags == CU_STREAM_NON_BLOCKING);
    std::shared_ptr<GreenContext> green = green_of(greenCtx);
    green->context->check();
    std::shared_ptr<Stream> stream = green->context->add_stream(flags, clamp_priority(priority));
    stream->green = std::move(green);
    *phStream = registry<Stream>().add<CUstream>(std::move(stream));
  });
}

SOFTGPU_API cuStreamGetGreenCtx(CUstream hStream, CUgreenCtx* phCtx) {
  return with_context([&](Context& context) {
    require(phCtx != nullptr);
    std::shared_ptr<GreenContext> green = green_behind(*resolve_stream(context, hStream));
    *phCtx = green ? green->handle() : nullptr;
  });
}

SOFTGPU_API cuStreamGetCtx_v2(CUstream hStream, CUcontext* pCtx, CUgreenCtx* pGreenCtx) {
  return with_context([&](Context& context) {
    require(pCtx != nullptr && pGreenCtx != nullptr);
    std::shared_ptr<Stream> stream = resolve_stream(context, hStream);
    std::shared_ptr<GreenContext> green = green_behind(*stream);
    *pGreenCtx = green ? green->handle() : nullptr;
    *pCtx = owner(*stream)->handle();
  });
}

SOFTGPU_API cuGreenCtxRecordEvent(CUgreenCtx hCtx, CUevent hEvent) {
  return with_driver([&](Driver&) { return cuCtxRecordEvent(green_of(hCtx)->context->handle(), hEvent); });
}

SOFTGPU_API cuGreenCtxWaitEvent(CUgreenCtx hCtx, CUevent hEvent) {
  return with_driver([&](Driver&) { return cuCtxWaitEvent(green_of(hCtx)->context->handle(), hEvent); });
}
