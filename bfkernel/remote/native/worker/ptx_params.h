// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "wire/code_messages.h"

namespace worker {

using ParamLayouts = std::map<std::string, std::vector<wire::KernelParam>, std::less<>>;

// The parameter layout of every kernel that a PTX text defines: for drivers before CUDA 12.4, which do not
// tell. A kernel whose parameters are not understood is left out.
ParamLayouts ptx_params(std::string_view ptx);

}  // namespace worker
