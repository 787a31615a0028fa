// SPDX-License-Identifier: BSD-3-Clause
#include "shim/drained.h"

#include <mutex>

#include "shim/capture.h"
#include "shim/connection.h"
#include "shim/mirrors.h"
#include "wire/handles.h"

namespace shim::drained {
namespace {

std::mutex& mutex = *new std::mutex;
// Only the latest proof is worth anything: after an older one a request has been sent.
Work proven;
uint64_t proven_by = 0;  // its request; 0: none yet, as requests are counted from 1

}  // namespace

Work of(CUstream stream) {
  const uint64_t id = id_of(stream);
  const bool legacy = id == wire::kLegacyStream;  // the default stream has two names
  return {context_of(stream), false, legacy ? wire::kNullHandle : id};
}

void note(const Work& work, uint64_t sequence) {
  const std::lock_guard lock(mutex);
  if (sequence <= proven_by) return;
  proven = work;
  proven_by = sequence;
}

bool known(const Work& work) {
  // A capture forbids some synchronisations, and after each of them mirrors are fetched.
  if (capture::in_flight() || mirrors::any.load(std::memory_order_relaxed)) return false;
  const uint64_t sent = connection().transport().sent();
  const std::lock_guard lock(mutex);
  return proven_by == sent && proven.context && proven.holds(work);
}

}  // namespace shim::drained
