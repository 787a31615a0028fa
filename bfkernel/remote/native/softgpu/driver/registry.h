// SPDX-License-Identifier: BSD-3-Clause
// Live handles of one kind. A handle is the object's address; what is not registered is refused, never
// touched.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "api.h"

namespace softgpu::driver {

template <typename Object>
class Registry {
 public:
  template <typename Handle>
  Handle add(std::shared_ptr<Object> object) {
    Object* key = object.get();
    std::unique_lock lock(mutex_);
    live_.emplace(key, std::move(object));
    return reinterpret_cast<Handle>(key);
  }

  // Null when the handle is not one of ours, or no longer.
  template <typename Handle>
  std::shared_ptr<Object> find(Handle handle) const {
    std::shared_lock lock(mutex_);
    auto found = live_.find(reinterpret_cast<const void*>(handle));
    return found == live_.end() ? nullptr : found->second;
  }

  template <typename Handle>
  std::shared_ptr<Object> get(Handle handle, CUresult otherwise = CUDA_ERROR_INVALID_HANDLE) const {
    std::shared_ptr<Object> object = find(handle);
    require(object != nullptr, otherwise);
    return object;
  }

  // Takes the handle out of use; the object lives on for whoever still holds it.
  template <typename Handle>
  std::shared_ptr<Object> remove(Handle handle) {
    std::unique_lock lock(mutex_);
    auto found = live_.find(reinterpret_cast<const void*>(handle));
    if (found == live_.end()) return nullptr;
    std::shared_ptr<Object> object = std::move(found->second);
    live_.erase(found);
    return object;
  }

  // Takes all handles out of use whose object `gone` chooses.
  template <typename Predicate>
  void remove_if(Predicate gone) {
    std::vector<std::shared_ptr<Object>> removed;  // destroyed without the lock
    std::unique_lock lock(mutex_);
    for (auto& [key, object] : live_) {
      if (gone(*object)) removed.push_back(object);
    }
    for (const auto& object : removed) live_.erase(object.get());
    lock.unlock();
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<const void*, std::shared_ptr<Object>> live_;
};

// The one registry of a kind. Never destroyed: threads may still run while the process exits.
template <typename Object>
Registry<Object>& registry() {
  static auto* instance = new Registry<Object>;
  return *instance;
}

}  // namespace softgpu::driver
