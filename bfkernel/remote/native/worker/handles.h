// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "wire/handles.h"

namespace worker {

// From the client's ids to the driver's handles. An id of one kind never yields a handle of another, so no
// lie of the client's makes the driver take a stream for a module. Thread-safe.
class Handles {
 public:
  struct Entry {
    wire::Kind kind = wire::Kind::none;
    void* handle = nullptr;
    std::uint64_t context = 0;      // the client's id of the context that the object ends with; 0: none
    std::uint64_t owner = 0;        // functions: the module or library; a library's modules: the library
    std::int64_t param_bytes = -1;  // functions: what a launch must bring at least; -1: not known
  };

  // False where the id is taken.
  bool add(std::uint64_t id, const Entry& entry);
  // Null where the id does not name an object of this kind.
  void* find(wire::Kind kind, std::uint64_t id) const;
  // The whole entry, of kind none where there is no such object.
  Entry entry(wire::Kind kind, std::uint64_t id) const;
  // Calls `action` with the handle, which does not end meanwhile, if there is one.
  void use(wire::Kind kind, std::uint64_t id, const std::function<void(void*)>& action) const;
  // As find(), and the id ends.
  void* drop(wire::Kind kind, std::uint64_t id);
  // Ends every id for which `ends` holds.
  void drop_if(const std::function<bool(std::uint64_t, const Entry&)>& ends);
  // The id of an object of this kind, 0 where it has none. Looks at all of them.
  std::uint64_t name(wire::Kind kind, const void* handle) const;
  // True where `holds` does for every handle of one kind in one context. None of them ends meanwhile.
  bool each(wire::Kind kind, std::uint64_t context, const std::function<bool(void*)>& holds) const;
  // The handles of one kind in one context.
  std::vector<void*> all(wire::Kind kind, std::uint64_t context) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace worker
