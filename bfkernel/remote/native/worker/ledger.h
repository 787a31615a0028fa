// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace worker {

constexpr unsigned kLedgerGpus = 16;
constexpr unsigned kLedgerSlots = 256;
constexpr std::uint32_t kLedgerMagic = 0x47444C42;
constexpr std::uint32_t kLedgerVersion = 1;
constexpr std::size_t kLedgerBytes = 64 * 1024;

// The ledger's layout in memory (docs/reference/protocol.md, section 3.1). Little-endian machines only, as
// everything here is.
struct LedgerSlot {
  std::uint32_t pid;
  std::uint32_t client_pid;    // on the client's machine; written by the agent
  std::uint64_t last_call_ns;  // since the epoch; while the GPU is at work, when that was last seen
  std::uint64_t calls;
  std::array<std::uint64_t, kLedgerGpus> held;  // bytes
  std::uint64_t contexts;                       // bit k: a context on GPU k
  std::uint64_t executing;                      // 1 while the worker executes calls
  std::array<std::uint64_t, 3> reserved_end;
};
static_assert(sizeof(LedgerSlot) == 192);

struct LedgerFile {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t gpus;
  std::uint32_t slots;
  std::array<std::uint64_t, kLedgerGpus> limit;  // bytes
  std::array<std::uint8_t, 512 - 16 - 8 * kLedgerGpus> padding;
  std::array<LedgerSlot, kLedgerSlots> slot;
};
static_assert(offsetof(LedgerFile, slot) == 512);
static_assert(sizeof(LedgerFile) <= kLedgerBytes);

// This worker's page in the books of its lease: what the workers of the lease hold together stays within
// the limit, whichever of them asks. Bytes change under a file lock, which the system ends with its holder.
class Ledger {
 public:
  // fd: the agent's memfd; must stay open, and no copy of it may be closed (that would drop the lock).
  // Throws std::runtime_error with one sentence when it is no ledger for these GPUs.
  Ledger(int fd, unsigned slot, unsigned gpus);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // True and charged when everything the lease holds on that GPU plus `bytes` is within the limit.
  bool take(unsigned gpu, std::uint64_t bytes);
  void give(unsigned gpu, std::uint64_t bytes);

  std::uint64_t limit(unsigned gpu) const;
  std::uint64_t held(unsigned gpu) const;         // by this worker
  std::uint64_t held_by_all(unsigned gpu) const;  // by the lease
  unsigned gpus() const { return gpus_; }

  // Notes whether this worker has a context on a GPU, for who lists the lease's processes.
  void note_context(unsigned gpu, bool exists);
  // Who of the lease has a context or memory on a GPU.
  struct Client {
    std::uint32_t pid;  // on the client's machine
    std::uint64_t held;
    bool ours;
  };
  std::vector<Client> clients(unsigned gpu) const;

  // Called for every call, before it is executed: counts it, and writes count and time down now and then.
  void count_call() {
    if (!executing_) note_executing(true);
    if ((++calls_ & 63) == 0) write_activity();
  }
  // Called when the worker is about to wait for its client: everything is executed.
  void rest() {
    if (executing_) note_executing(false);
  }
  // Called when the client is silent and its work still goes on.
  void note_work();

 private:
  struct Lock;
  void note_executing(bool executing);
  void write_activity();

  const int fd_;
  const unsigned gpus_;
  LedgerFile* file_;
  LedgerSlot* mine_;
  std::mutex mutex_;  // the file lock belongs to the process: threads need their own
  std::uint64_t calls_ = 0;
  bool executing_ = false;
};

}  // namespace worker
