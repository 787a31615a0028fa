// SPDX-License-Identifier: BSD-3-Clause
#include "worker/handles.h"

namespace worker {

bool Handles::add(std::uint64_t id, const Entry& entry) {
  const std::lock_guard lock(mutex_);
  return entries_.emplace(id, entry).second;
}

void* Handles::find(wire::Kind kind, std::uint64_t id) const { return entry(kind, id).handle; }

Handles::Entry Handles::entry(wire::Kind kind, std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  return found != entries_.end() && found->second.kind == kind ? found->second : Entry{};
}

void Handles::use(wire::Kind kind, std::uint64_t id, const std::function<void(void*)>& action) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found != entries_.end() && found->second.kind == kind) action(found->second.handle);
}

void* Handles::drop(wire::Kind kind, std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.kind != kind) return nullptr;
  void* handle = found->second.handle;
  entries_.erase(found);
  return handle;
}

void Handles::drop_if(const std::function<bool(std::uint64_t, const Entry&)>& ends) {
  const std::lock_guard lock(mutex_);
  std::erase_if(entries_, [&](const auto& item) { return ends(item.first, item.second); });
}

std::uint64_t Handles::name(wire::Kind kind, const void* handle) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : entries_) {
    if (entry.kind == kind && entry.handle == handle) return id;
  }
  return 0;
}

bool Handles::each(wire::Kind kind, std::uint64_t context, const std::function<bool(void*)>& holds) const {
  const std::lock_guard lock(mutex_);
  return std::all_of(entries_.begin(), entries_.end(), [&](const auto& item) {
    const Entry& entry = item.second;
    return entry.kind != kind || entry.context != context || holds(entry.handle);
  });
}

std::vector<void*> Handles::all(wire::Kind kind, std::uint64_t context) const {
  const std::lock_guard lock(mutex_);
  std::vector<void*> found;
  for (const auto& [id, entry] : entries_) {
    if (entry.kind == kind && entry.context == context) found.push_back(entry.handle);
  }
  return found;
}

}  // namespace worker
