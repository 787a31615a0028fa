// SPDX-License-Identifier: BSD-3-Clause
#include "shim/kernel_answers.h"

#include <algorithm>

namespace shim {

KernelAnswers::Scope KernelAnswers::here(CUdevice device) {
  const ContextObject* context = current_context();
  return {context, context ? context->ends.load() : 0, device};
}

void KernelAnswers::renew() {
  const std::lock_guard lock(mutex_);
  settings_.clear();
  blocks_.clear();
}

bool KernelAnswers::has(CUfunction_attribute attribute, const Scope& scope, int value) const {
  return std::ranges::any_of(settings_, [&](const Setting& known) {
    return known.attribute == attribute && known.scope == scope && known.value == value;
  });
}

// A kernel's attribute on a device and its function's in a context may be the same thing: whatever is set
// ends what is known of that attribute elsewhere. What fits depends on attributes.
void KernelAnswers::forget(CUfunction_attribute attribute) {
  std::erase_if(settings_, [&](const Setting& known) { return known.attribute == attribute; });
  blocks_.clear();
}

}  // namespace shim
