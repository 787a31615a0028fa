// SPDX-License-Identifier: BSD-3-Clause
#include "shim/drained.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "shim/capture.h"
#include "shim/connection.h"
#include "shim/contexts.h"
#include "shim/mirrors.h"
#include "wire/handles.h"

namespace shim::drained {
namespace {

// Proofs are forgotten beyond that: then the worker is asked.
constexpr size_t kMostProofs = 256;

std::mutex& mutex = *new std::mutex;
// Of what a synchronisation needs, only the latest proof is worth anything: after an older one a request has
// been sent.
Work proven;
uint64_t proven_by = 0;  // its request; 0: none yet, as requests are counted from 1
// The latest of each stream, and of each context as a whole. Neither streams' ids nor contexts are used
// again.
struct Proofs {
  uint64_t all = 0;
  std::map<uint64_t, uint64_t> streams;  // by id
};
std::map<const ContextObject*, Proofs>& proofs = *new std::map<const ContextObject*, Proofs>;

// Under the mutex.
void keep(const Work& work, uint64_t sequence) {
  Proofs& of_context = proofs[work.context];
  if (!work.all && of_context.streams.size() >= kMostProofs) of_context.streams.clear();
  uint64_t& kept = work.all ? of_context.all : of_context.streams[work.stream];
  kept = std::max(kept, sequence);
}

}  // namespace

Work of(CUstream stream) {
  const uint64_t id = id_of(stream);
  const bool legacy = id == wire::kLegacyStream;  // the default stream has two names
  return {context_of(stream), false, legacy ? wire::kNullHandle : id};
}

void note(const Work& work, uint64_t sequence) {
  const std::lock_guard lock(mutex);
  keep(work, sequence);
  if (sequence <= proven_by) return;
  proven = work;
  proven_by = sequence;
}

void note_through(const Work& work, uint64_t sequence) {
  const std::lock_guard lock(mutex);
  keep(work, sequence);
}

bool known(const Work& work) {
  // A capture forbids some synchronisations, and after each of them mirrors are fetched.
  if (capture::in_flight() || mirrors::any.load(std::memory_order_relaxed)) return false;
  const uint64_t sent = connection().transport().sent();
  const std::lock_guard lock(mutex);
  return proven_by == sent && proven.context && proven.holds(work);
}

bool covers(const Work& work, uint64_t sequence) {
  const std::lock_guard lock(mutex);
  const auto found = proofs.find(work.context);
  if (found == proofs.end()) return false;
  if (found->second.all > sequence) return true;
  const auto stream = found->second.streams.find(work.stream);
  return !work.all && stream != found->second.streams.end() && stream->second > sequence;
}

}  // namespace shim::drained
