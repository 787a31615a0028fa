// SPDX-License-Identifier: BSD-3-Clause
#include "worker/ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>

namespace worker {
namespace {

// The coarse clock is a few milliseconds behind and costs a few nanoseconds to read.
std::uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME_COARSE, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

// Other processes read and write these words: every access is one whole load or store.
std::uint64_t load(const std::uint64_t& word) {
  return std::atomic_ref(const_cast<std::uint64_t&>(word)).load(std::memory_order_relaxed);
}
void store(std::uint64_t& word, std::uint64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_relaxed);
}

LedgerFile* map_file(int fd) {
  struct stat status{};
  if (fstat(fd, &status) != 0 || status.st_size < static_cast<off_t>(kLedgerBytes)) {
    throw std::runtime_error("the ledger is not a file of 64 KiB.");
  }
  void* memory = mmap(nullptr, kLedgerBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("the ledger cannot be mapped.");
  return static_cast<LedgerFile*>(memory);
}

}  // namespace

struct Ledger::Lock {
  explicit Lock(Ledger& ledger) : threads(ledger.mutex_), fd(ledger.fd_) { set(F_WRLCK); }
  ~Lock() { set(F_UNLCK); }
  void set(short type) {
    struct flock range{};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_len = 8;
    while (fcntl(fd, F_SETLKW, &range) != 0 && errno == EINTR) {
    }
  }
  std::lock_guard<std::mutex> threads;
  int fd;
};

Ledger::Ledger(int fd, unsigned slot, unsigned gpus) : fd_(fd), gpus_(gpus), file_(map_file(fd)) {
  const bool fits = file_->magic == kLedgerMagic && file_->version == kLedgerVersion &&
                    file_->slots == kLedgerSlots && slot < kLedgerSlots && file_->gpus == gpus &&
                    gpus <= kLedgerGpus;
  if (!fits) {
    munmap(file_, kLedgerBytes);
    throw std::runtime_error("the ledger does not fit this worker: version, slot or number of GPUs differ.");
  }
  mine_ = &file_->slot[slot];
  std::atomic_ref(mine_->pid).store(static_cast<std::uint32_t>(getpid()), std::memory_order_relaxed);
}

Ledger::~Ledger() { munmap(file_, kLedgerBytes); }

bool Ledger::take(unsigned gpu, std::uint64_t bytes) {
  const Lock lock(*this);
  const std::uint64_t all = held_by_all(gpu);
  const std::uint64_t most = limit(gpu);
  if (all > most || bytes > most - all) return false;
  store(mine_->held[gpu], load(mine_->held[gpu]) + bytes);
  return true;
}

void Ledger::give(unsigned gpu, std::uint64_t bytes) {
  const Lock lock(*this);
  store(mine_->held[gpu], load(mine_->held[gpu]) - bytes);
}

std::uint64_t Ledger::limit(unsigned gpu) const { return load(file_->limit[gpu]); }
std::uint64_t Ledger::held(unsigned gpu) const { return load(mine_->held[gpu]); }

std::uint64_t Ledger::held_by_all(unsigned gpu) const {
  std::uint64_t sum = 0;
  for (const LedgerSlot& slot : file_->slot) sum += load(slot.held[gpu]);
  return sum;
}

void Ledger::note_context(unsigned gpu, bool exists) {
  const std::uint64_t bit = std::uint64_t{1} << gpu;
  const std::atomic_ref contexts(mine_->contexts);
  if (exists)
    contexts.fetch_or(bit, std::memory_order_relaxed);
  else
    contexts.fetch_and(~bit, std::memory_order_relaxed);
}

std::vector<Ledger::Client> Ledger::clients(unsigned gpu) const {
  std::vector<Client> found;
  for (LedgerSlot& slot : file_->slot) {
    const std::uint64_t bytes = load(slot.held[gpu]);
    const bool context = (load(slot.contexts) >> gpu & 1) != 0;
    const std::uint32_t pid = std::atomic_ref(slot.client_pid).load(std::memory_order_relaxed);
    if (bytes != 0 || context) found.push_back({pid, bytes, &slot == mine_});
  }
  return found;
}

void Ledger::note_executing(bool executing) {
  executing_ = executing;
  if (!executing) write_activity();
  store(mine_->executing, executing ? 1 : 0);
}

void Ledger::write_activity() {
  note_work();
  store(mine_->calls, calls_);
}

void Ledger::note_work() { store(mine_->last_call_ns, now_ns()); }

}  // namespace worker
