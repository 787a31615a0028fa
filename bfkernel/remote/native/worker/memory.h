// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cuda.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "wire/packer.h"
#include "worker/ledger.h"

namespace worker {

// Physical memory behind addresses of the window. The driver is one; tests have their own.
class Backing {
 public:
  virtual ~Backing() = default;
  // Creates `size` bytes on a device of the lease. Called with Memory's lock held.
  virtual CUresult create(unsigned device, std::uint64_t size, std::uint64_t* handle) = 0;
  virtual void destroy(std::uint64_t handle) = 0;
  // Puts [offset, offset + size) of it at `address`, readable and writable.
  virtual CUresult map(std::uint64_t address, std::uint64_t size, std::uint64_t offset,
                       std::uint64_t handle) = 0;
  virtual CUresult allow_access(unsigned device, std::uint64_t address, std::uint64_t size) = 0;
  virtual void unmap(std::uint64_t address, std::uint64_t size) = 0;
  // A file descriptor through which another process gets at the memory, and the way back.
  virtual CUresult export_file(std::uint64_t handle, int* file) = 0;
  virtual CUresult import_file(int file, std::uint64_t* handle) = 0;
};

// The device memory of one client: the window's lower half is allocated here, the upper half is the client's
// own (cuMemAddressReserve), where it maps memory that it created itself. Every byte of physical memory is
// charged to the ledger before it exists and given back after it is gone.
//
// Small blocks share chunks of the driver's granularity; bigger ones have physical memory of their own.
// A block that the client freed is *retired* first: its address is no longer the client's, but the GPU may
// still be using it; reclaim() is called when it cannot any more.
//
// Thread-safe: lanes and the reclaimer call it beside the session's thread.
class Memory {
 public:
  struct Usage {
    std::uint64_t free_bytes;
    std::uint64_t total_bytes;
  };
  struct Block {
    std::uint64_t size;  // as it was asked for, rounded up to kAlignment
    unsigned device;
    std::uint64_t context;  // with which it ends; 0: none
  };
  static constexpr std::uint64_t kAlignment = 512;  // bytes; what cudaMalloc's callers rely on
  static std::uint64_t rounded(std::uint64_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
  }

  Memory(Backing& backing, Ledger& ledger, std::uint64_t window_base, std::uint64_t window_size,
         std::uint64_t granularity);

  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // OUT_OF_MEMORY past the limit of the lease.
  CUresult allocate(unsigned device, std::uint64_t size, std::uint64_t context, std::uint64_t* address);
  // Takes the block away from the client: false where `address` is not the start of a live one.
  bool retire(std::uint64_t address, Block* block);
  // Ends a retired block: its room may be used again.
  void reclaim(std::uint64_t address, const Block& block);
  // Ends all live blocks of a context that is gone, and what its modules had.
  void end_context(std::uint64_t context);
  // Returns empty chunks that were kept for the next small block.
  void release_slack();
  bool has_slack() const;

  // Memory that the client creates and maps itself. `id` is the client's name for it.
  CUresult create(std::uint64_t id, unsigned device, std::uint64_t size);
  CUresult release(std::uint64_t id);
  CUresult map(std::uint64_t address, std::uint64_t size, std::uint64_t offset, std::uint64_t id);
  CUresult unmap(std::uint64_t address, std::uint64_t size);

  // Where a part of a block lies in the physical memory that another process of the lease maps to share it.
  struct Shared {
    std::uint64_t size = 0;    // of the physical memory
    std::uint64_t offset = 0;  // of the part in it
    std::uint64_t length = 0;  // of the part
    unsigned device = 0;
  };
  // True where the part lies in one live block.
  bool lendable(std::uint64_t address, std::uint64_t length) const;
  // Opens the physical memory behind such a part for another process.
  CUresult lend(std::uint64_t address, std::uint64_t length, int* file, Shared* where);
  // Maps what another process lent. It is charged here as well: it may outlive the process that made it.
  CUresult borrow(int file, const Shared& where, std::uint64_t* address);
  // Ends a borrowed block: false where there is none at the address.
  bool give_back(std::uint64_t address);

  // Memory of the driver's own that the client may touch: a module's global variable.
  // Ends with its owner, a module or library, and with its context.
  void add_foreign(std::uint64_t owner, std::uint64_t context, std::uint64_t address, std::uint64_t size);
  void drop_foreign(std::uint64_t owner);

  // True where every byte of the range is the client's. What is not must not reach a driver that keeps device
  // memory in this process.
  bool contains(std::uint64_t address, std::uint64_t size) const;
  // True where the range is inside the client's half of the window.
  bool in_client_half(std::uint64_t address, std::uint64_t size) const;

  Usage usage(unsigned device) const;
  bool others_hold(unsigned device) const;

 private:
  struct Created {
    std::uint64_t handle;
    std::uint64_t size;
    unsigned device;
    unsigned mappings;
    bool released;
  };
  struct Mapping {
    std::uint64_t size;
    std::uint64_t id;
  };
  struct Borrowed {
    std::uint64_t size;  // of the block
    std::uint64_t base;  // of the whole mapping
    std::uint64_t handle;
    std::uint64_t mapped;  // bytes of the whole mapping
    unsigned device;
  };
  struct Foreign {
    std::uint64_t size;
    std::uint64_t owner;
    std::uint64_t context;
  };
  struct Device {
    wire::Packer small;                             // inside chunks
    std::map<std::uint64_t, std::uint64_t> chunks;  // base → handle
    std::uint64_t slack = 0;                        // base of the one empty chunk that is kept, or 0
    std::uint64_t retired = 0;                      // bytes
  };

  std::map<std::uint64_t, Block>::const_iterator holder(std::uint64_t address, std::uint64_t length) const;
  bool is_small(std::uint64_t size) const { return size < granularity_; }
  std::uint64_t whole_chunks(std::uint64_t size) const;
  std::uint64_t footprint(std::uint64_t size) const;  // what a block takes of the lease
  CUresult back(unsigned device, std::uint64_t size, std::uint64_t* address, std::uint64_t* handle);
  CUresult place(unsigned device, std::uint64_t size, std::uint64_t* address, std::uint64_t* handle,
                 const std::function<CUresult(std::uint64_t*)>& make);
  void drop(unsigned device, std::uint64_t address, std::uint64_t size, std::uint64_t handle);
  CUresult allocate_small(unsigned device, std::uint64_t size, std::uint64_t* address);
  CUresult allocate_big(unsigned device, std::uint64_t size, std::uint64_t* address);
  void reclaim_small(std::uint64_t address, const Block& block);
  void drop_slack(unsigned device);
  void end_created(std::map<std::uint64_t, Created>::iterator created);

  Backing& backing_;
  Ledger& ledger_;
  const std::uint64_t middle_;  // where the client's half begins
  const std::uint64_t end_;
  const std::uint64_t granularity_;
  mutable std::mutex mutex_;
  wire::Packer addresses_;  // the window's lower half, in chunks
  std::vector<Device> devices_;
  std::map<std::uint64_t, Block> live_;
  std::map<std::uint64_t, std::uint64_t> big_;  // address → handle
  std::map<std::uint64_t, Created> created_;
  std::map<std::uint64_t, Mapping> mappings_;
  std::map<std::uint64_t, Foreign> foreign_;    // by address
  std::map<std::uint64_t, Borrowed> borrowed_;  // by the block's address
};

}  // namespace worker
