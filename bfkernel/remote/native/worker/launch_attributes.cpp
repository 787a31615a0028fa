// SPDX-License-Identifier: BSD-3-Clause
#include "worker/launch_attributes.h"

#include <cstring>

#include "wire/launch_attributes.h"

namespace worker {

CUlaunchAttribute attribute_from_wire(Session& session, const wire::LaunchAttribute& attribute) {
  CUlaunchAttribute out{};
  out.id = static_cast<CUlaunchAttributeID>(attribute.id);
  static_assert(sizeof out.value == sizeof attribute.value);
  std::memcpy(&out.value, attribute.value.data(), attribute.value.size());
  switch (wire::attribute_value(attribute.id)) {
    case wire::AttributeValue::refused:
      throw CudaError{CUDA_ERROR_NOT_SUPPORTED};
    case wire::AttributeValue::numbers:
      break;
    case wire::AttributeValue::window: {
      const CUaccessPolicyWindow& window = out.value.accessPolicyWindow;
      session.check_device(reinterpret_cast<std::uint64_t>(window.base_ptr), window.num_bytes);
      break;
    }
    case wire::AttributeValue::event: {
      std::uint64_t event = 0;
      std::memcpy(&event, attribute.value.data(), sizeof event);
      out.value.launchCompletionEvent.event = session.handle<CUevent>(wire::Kind::event, event);
    }
  }
  return out;
}

LaunchConfig::LaunchConfig(Session& session, const std::vector<wire::LaunchAttribute>& attributes) {
  if (attributes.size() > kMostAttributes) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  for (std::size_t i = 0; i < attributes.size(); ++i)
    attributes_[i] = attribute_from_wire(session, attributes[i]);
  config.attrs = attributes_.data();
  config.numAttrs = static_cast<unsigned>(attributes.size());
}

void LaunchConfig::set_shape(const std::array<std::uint32_t, 3>& grid,
                             const std::array<std::uint32_t, 3>& block) {
  config.gridDimX = grid[0], config.gridDimY = grid[1], config.gridDimZ = grid[2];
  config.blockDimX = block[0], config.blockDimY = block[1], config.blockDimZ = block[2];
}

}  // namespace worker
