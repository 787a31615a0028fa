// SPDX-License-Identifier: BSD-3-Clause
#include "shim/launch_attributes.h"

#include <cstring>

#include "shim/events.h"
#include "shim/handles.h"
#include "wire/launch_attributes.h"

namespace shim {

wire::LaunchAttribute to_wire(CUlaunchAttributeID id, const CUlaunchAttributeValue& value) {
  wire::LaunchAttribute out;
  out.id = static_cast<uint32_t>(id);
  static_assert(sizeof value == sizeof out.value);
  std::memcpy(out.value.data(), &value, sizeof value);
  switch (wire::attribute_value(out.id)) {
    case wire::AttributeValue::refused:
      throw Failure{CUDA_ERROR_NOT_SUPPORTED};
    case wire::AttributeValue::numbers:
    case wire::AttributeValue::window:
      break;
    case wire::AttributeValue::event: {
      const uint64_t event = id_of(value.launchCompletionEvent.event);
      events::note_foreign(value.launchCompletionEvent.event);
      std::memcpy(out.value.data(), &event, sizeof event);
    }
  }
  return out;
}

std::vector<wire::LaunchAttribute> to_wire(const CUlaunchAttribute* attributes, unsigned count) {
  if (count > 0) require(attributes);
  std::vector<wire::LaunchAttribute> out;
  for (unsigned i = 0; i < count; ++i)
    if (attributes[i].id != CU_LAUNCH_ATTRIBUTE_IGNORE)
      out.push_back(to_wire(attributes[i].id, attributes[i].value));
  return out;
}

}  // namespace shim
