// SPDX-License-Identifier: BSD-3-Clause
// Attributes of launches and streams on their way to the worker.
#pragma once

#include <vector>

#include "shim/cuda_api.h"
#include "wire/code_messages.h"

namespace shim {

// Throws Failure{NOT_SUPPORTED} for what cannot travel.
wire::LaunchAttribute to_wire(CUlaunchAttributeID id, const CUlaunchAttributeValue& value);
// All but the empty entries. Throws Failure{INVALID_VALUE} where there should be a list and is none.
std::vector<wire::LaunchAttribute> to_wire(const CUlaunchAttribute* attributes, unsigned count);

}  // namespace shim
