// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wire/blake2.h"

namespace worker {

// Device code that any client of this server has sent once, as files named by their hash, in a folder that
// all workers share and that outlives them. Where there is no folder it keeps nothing. Any thread.
//
// Nobody is believed: what is kept was hashed here, and what is found is hashed again, so that neither a
// client nor a crash while writing can put other code under a name.
class CodeCache {
 public:
  // `limit`: bytes; what was not used for longest goes first.
  CodeCache(std::string folder, std::uint64_t limit) : folder_(std::move(folder)), limit_(limit) {}

  // The code of that name, or nothing where it is not kept.
  std::optional<std::vector<std::byte>> find(const wire::Digest& name) const;
  // Keeps code, if it is what its name says. What the disk does not take is only not kept.
  void keep(const wire::Digest& name, wire::Bytes code) const;

 private:
  std::string path(const wire::Digest& name) const;
  void make_room() const;

  const std::string folder_;
  const std::uint64_t limit_;
};

}  // namespace worker
