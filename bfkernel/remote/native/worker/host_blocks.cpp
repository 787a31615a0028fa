// SPDX-License-Identifier: BSD-3-Clause
#include "worker/host_blocks.h"

#include <system_error>

#include "wire/codec.h"
#include "wire/host_block_messages.h"
#include "worker/session.h"

namespace worker {

std::byte* HostBlocks::Block::at(std::uint64_t offset, std::uint64_t size, unsigned ended_contexts) {
  if (offset > memory_.size() || size > memory_.size() - offset) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  registration_.renew(memory_, ended_contexts);
  return memory_.data() + offset;
}

void HostBlocks::add_staging(const wire::Segment& segment) {
  blocks_[wire::kUploadsBlock] = std::make_shared<Block>(driver_, segment.uploads());
  blocks_[wire::kDownloadsBlock] = std::make_shared<Block>(driver_, segment.downloads());
}

CUresult HostBlocks::open(std::uint64_t name, std::uint64_t size, int file) {
  if (name <= wire::kDownloadsBlock || blocks_.contains(name))
    throw wire::Malformed("a new host block has a name that is taken");
  if (size == 0 || size > most_bytes_ - bytes_) return CUDA_ERROR_OUT_OF_MEMORY;
  try {
    blocks_[name] = std::make_shared<Block>(driver_, wire::Mapping(file, size));
  } catch (const std::system_error&) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  bytes_ += size;
  return CUDA_SUCCESS;
}

std::shared_ptr<HostBlocks::Block> HostBlocks::close(std::uint64_t name) {
  if (name <= wire::kDownloadsBlock) return nullptr;  // the staging stays
  const auto found = blocks_.find(name);
  if (found == blocks_.end()) return nullptr;
  std::shared_ptr<Block> block = std::move(found->second);
  blocks_.erase(found);
  bytes_ -= block->size();
  return block;
}

HostBlocks::Block& HostBlocks::find(std::uint64_t name) {
  const auto found = blocks_.find(name);
  if (found == blocks_.end()) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  return *found->second;
}

}  // namespace worker
