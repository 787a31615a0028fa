// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>

#include "wire/code_messages.h"
#include "worker/ptx_params.h"
#include "worker/session.h"

namespace worker {

// Enters every kernel of the owner under its id, and describes them to the client: names, how their
// parameters lie, attributes. An empty result: this driver cannot list them.
std::optional<std::vector<wire::KernelEntry>> enter_kernels(Session& session, const CodeOwner& owner,
                                                            const ParamLayouts& layouts);

// Finds one kernel by name and enters it as the owner's number `index`.
CUresult enter_kernel(Session& session, const CodeOwner& owner, std::uint32_t index, const std::string& name,
                      const ParamLayouts& layouts, wire::KernelEntry* entry);

// All attributes of a function that the client holds.
std::vector<std::int32_t> function_attributes(Session& session, std::uint64_t function);

}  // namespace worker
