// SPDX-License-Identifier: BSD-3-Clause
#include "shim/mirrors.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "shim/memory.h"
#include "shim/move.h"
#include "shim/request.h"
#include "shim/shared_pages.h"
#include "wire/memory_messages.h"

namespace shim::mirrors {
namespace {

constexpr uint64_t kChunk = 4096;  // compared at once

struct Mirror {
  uint64_t host = 0;
  uint64_t device = 0;
  ContextObject* context = nullptr;
  std::vector<std::byte> known;  // what both sides had when they last met
  std::byte* bytes() const { return reinterpret_cast<std::byte*>(host); }
};

std::mutex& mutex = *new std::mutex;
std::map<uint64_t, Mirror>& mirrors = *new std::map<uint64_t, Mirror>;
bool stale = false;  // the GPU was given work since all of it was last waited for

// Calls `action(from, to)` for each stretch in which `ours` differs from `known`.
template <class Action>
void differences(const std::byte* ours, const std::byte* known, uint64_t size, Action action) {
  for (uint64_t begin = 0; begin < size; begin += kChunk) {
    const uint64_t end = std::min(begin + kChunk, size);
    if (std::memcmp(ours + begin, known + begin, end - begin) == 0) continue;
    for (uint64_t at = begin; at < end;) {
      const uint64_t from =
          static_cast<uint64_t>(std::mismatch(ours + at, ours + end, known + at).first - ours);
      at = from;
      while (at < end && ours[at] != known[at]) ++at;
      if (at > from) action(from, at);
    }
  }
}

// While the GPU works, only changed bytes may be sent, since others may be newer there; else whole stretches.
void send_changes(Mirror& mirror) {
  uint64_t begin = 0;
  uint64_t end = 0;
  const auto flush = [&] {
    if (end > begin)
      move::to_device(mirror.context, mirror.device + begin, &mirror.known[begin], end - begin);
  };
  differences(mirror.bytes(), mirror.known.data(), mirror.known.size(), [&](uint64_t from, uint64_t to) {
    std::memcpy(&mirror.known[from], mirror.bytes() + from, to - from);
    const bool joined = from == end || (!stale && from - end < kChunk);
    if (!joined) {
      flush();
      begin = from;
    }
    end = to;
  });
  flush();
}

void fetch_changes(Mirror& mirror) {
  std::vector<std::byte> theirs(mirror.known.size());
  move::to_host(mirror.context, theirs, mirror.device);
  differences(theirs.data(), mirror.known.data(), theirs.size(), [&](uint64_t from, uint64_t to) {
    std::memcpy(mirror.bytes() + from, &theirs[from], to - from);
    std::memcpy(&mirror.known[from], &theirs[from], to - from);
  });
}

bool synchronises(Opcode opcode) {
  switch (opcode) {
    case Opcode::cuCtxSynchronize:
    case Opcode::cuStreamSynchronize:
    case Opcode::cuEventSynchronize:
    case Opcode::cuStreamQuery:
    case Opcode::cuEventQuery:
    case Opcode::CopyToHost:
      return true;
    default:
      return false;
  }
}

const bool registered = [] {
  contexts::on_end([](ContextObject* context) {
    const std::lock_guard lock(mutex);
    std::erase_if(mirrors, [context](const auto& entry) { return entry.second.context == context; });
    any = !mirrors.empty();
  });
  return true;
}();

}  // namespace

uint64_t address_of(uint64_t host, uint64_t size, ContextObject* context) {
  const std::lock_guard lock(mutex);
  if (const auto found = mirrors.find(host); found != mirrors.end()) return found->second.device;
  Mirror mirror{host, 0, context, std::vector<std::byte>(size)};
  mirror.device = call(wire::MemAlloc{size}, Context::current, Deferred::keep).address;
  memory::add({.address = mirror.device,
               .size = size,
               .origin = memory::Origin::host,
               .context = context,
               .device = context->device});
  std::memcpy(mirror.known.data(), mirror.bytes(), size);
  move::to_device(context, mirror.device, mirror.known.data(), size);
  move::await(context);
  const uint64_t device = mirror.device;
  mirrors.emplace(host, std::move(mirror));
  any = true;
  shared_pages::exposed = true;
  return device;
}

uint64_t find(uint64_t host) {
  const std::lock_guard lock(mutex);
  const auto found = mirrors.find(host);
  return found == mirrors.end() ? 0 : found->second.device;
}

void drop(uint64_t host) {
  const std::lock_guard lock(mutex);
  const auto found = mirrors.find(host);
  if (found == mirrors.end()) return;
  memory::remove(found->second.device);
  Request request(Opcode::MemFree, Context::any);
  request.in_context(found->second.context);
  request.fields(wire::MemFree{found->second.device});
  mirrors.erase(found);
  any = !mirrors.empty();
  request.post();
}

void send_changes() {
  const std::lock_guard lock(mutex);
  for (auto& [host, mirror] : mirrors) {
    send_changes(mirror);
    move::await(mirror.context);
  }
  stale = true;
}

void after(Opcode opcode) {
  if (move::moving() || !synchronises(opcode)) return;
  const std::lock_guard lock(mutex);
  if (!stale) return;
  for (auto& [host, mirror] : mirrors) fetch_changes(mirror);
  // Other contexts and streams may still work; one GPU's context that is done is most programs' whole.
  if (opcode == Opcode::cuCtxSynchronize && contexts::all_usable().size() == 1) stale = false;
}

}  // namespace shim::mirrors
