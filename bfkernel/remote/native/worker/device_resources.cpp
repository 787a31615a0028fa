// SPDX-License-Identifier: BSD-3-Clause
#include "worker/device_resources.h"

#include "worker/session.h"

namespace worker {
namespace {

std::array<std::uint32_t, 5> shown(const CUdevResource& resource) {
  switch (resource.type) {
    case CU_DEV_RESOURCE_TYPE_SM: {
      const CUdevSmResource& of = resource.sm;
      return {of.smCount, of.minSmPartitionSize, of.smCoscheduledAlignment, of.flags, of.localityDomainId};
    }
    case CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG: {
      const CUdevWorkqueueConfigResource& of = resource.wqConfig;
      return {static_cast<std::uint32_t>(of.device), of.wqConcurrencyLimit,
              static_cast<std::uint32_t>(of.sharingScope)};
    }
    default:
      return {};
  }
}

}  // namespace

wire::DeviceResource DeviceResources::keep(const CUdevResource& resource) {
  if (resource.type == CU_DEV_RESOURCE_TYPE_INVALID) return {};
  const std::string bytes(reinterpret_cast<const char*>(&resource), sizeof resource);
  auto found = numbers_.find(bytes);
  if (found == numbers_.end()) {
    if (kept_.size() == kMost) throw CudaError{CUDA_ERROR_OUT_OF_MEMORY};
    kept_.push_back(resource);
    found = numbers_.emplace(bytes, kept_.size()).first;
  }
  return {found->second, static_cast<std::uint32_t>(resource.type), shown(resource)};
}

CUdevResource DeviceResources::find(const wire::DeviceResource& named) const {
  if (named.id == 0 || named.id > kept_.size()) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  CUdevResource resource = kept_[named.id - 1];
  if (resource.type == CU_DEV_RESOURCE_TYPE_WORKQUEUE_CONFIG) {
    resource.wqConfig.wqConcurrencyLimit = named.shown[1];
    resource.wqConfig.sharingScope = static_cast<CUdevWorkqueueConfigScope>(named.shown[2]);
  }
  return resource;
}

}  // namespace worker
