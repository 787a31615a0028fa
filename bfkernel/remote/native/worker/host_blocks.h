// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "wire/sealed_file.h"
#include "wire/segment.h"
#include "worker/driver.h"
#include "worker/staging.h"

namespace worker {

// Host memory that a client on this machine has mapped too (wire/host_block_messages.h). What stands in it
// only the driver reads and writes; the client may change it at any time. The session's thread only.
class HostBlocks {
 public:
  // Registered with the driver for as long as somebody holds it.
  class Block {
   public:
    // Memory that outlives the block, or that is mapped for it.
    Block(const DriverTable& driver, std::span<std::byte> memory) : memory_(memory), registration_(driver) {}
    Block(const DriverTable& driver, wire::Mapping mapping)
        : mapping_(std::move(mapping)), memory_(mapping_->bytes()), registration_(driver) {}

    // [offset, offset + size), registered. Throws CudaError for what is not in the block.
    std::byte* at(std::uint64_t offset, std::uint64_t size, unsigned ended_contexts);
    std::size_t size() const { return memory_.size(); }

   private:
    const std::optional<wire::Mapping> mapping_;
    const std::span<std::byte> memory_;
    Registration registration_;  // ends before the mapping
  };

  // All blocks together take at most `most_bytes`.
  HostBlocks(const DriverTable& driver, std::uint64_t most_bytes)
      : driver_(driver), most_bytes_(most_bytes) {}
  // The staging of a segment, which must outlive this.
  void add_staging(const wire::Segment& segment);

  // A new block is the file that the client sent. OUT_OF_MEMORY past the limit, or where the system has no
  // room. Throws wire::Malformed for a name that is taken, and for a file that is not as agreed.
  CUresult open(std::uint64_t name, std::uint64_t size, int file);
  // The block, which is none any more but lives until the caller lets go of it. Null where there is none.
  std::shared_ptr<Block> close(std::uint64_t name);
  // Throws CudaError where there is none.
  Block& find(std::uint64_t name);

 private:
  const DriverTable& driver_;
  const std::uint64_t most_bytes_;
  std::uint64_t bytes_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Block>> blocks_;
};

}  // namespace worker
