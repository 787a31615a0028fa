// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "wire/frame.h"
#include "worker/driver.h"

namespace worker {

// That the driver knows host memory, so that the GPU copies from and to it without the driver's own detour:
// pinned where the driver pins. The memory is somebody else's, and outlives the context in which it was
// registered.
class Registration {
 public:
  explicit Registration(const DriverTable& driver) : driver_(driver) {}
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  // Registers `memory`, the same at each call, where that was not done since the latest end of a context.
  void renew(std::span<std::byte> memory, unsigned ended_contexts);

 private:
  const DriverTable& driver_;
  std::byte* memory_ = nullptr;
  unsigned made_at_ = 0;
};

// Registered host memory of the worker's own: a lane may still be sending from it after its context's end.
class PinnedMemory {
 public:
  // Throws std::bad_alloc.
  PinnedMemory(const DriverTable& driver, std::size_t size, unsigned ended_contexts = 0);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  // Registers it with the driver once more where that was done before the latest end of a context.
  void pin(unsigned ended_contexts) { registration_->renew({data_, size_}, ended_contexts); }
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  const std::size_t size_;
  std::optional<Registration> registration_;
};

// The way of bytes from the socket to the device, for one context: pieces of pinned memory that are filled
// one after the other while the GPU copies out of others. Of the pieces that it is done with the latest is
// filled next, since that one is still in the processor's cache: so a large copy touches memory twice, not
// four times. Used by the session's thread only.
class UploadPieces {
 public:
  explicit UploadPieces(const DriverTable& driver) : driver_(driver) {}
  ~UploadPieces();

  // Room for at most `wanted` bytes, at least one, whose copy goes to `stream`. Waits for the GPU when all
  // pieces are in use. Fill it, submit the copy, then call commit().
  struct Room {
    std::byte* data;
    std::size_t size;
  };
  Room room(std::size_t wanted);
  void commit(std::size_t size, CUstream stream);
  // The stream is about to be destroyed: what it copies must be known by an event from here on.
  void forget(CUstream stream);
  // A capture begins: from now on the streams may not be asked about, so what was copied must be known by
  // events. Until it ends, every commit is followed by this.
  void seal();
  // The context is gone, and its events with it.
  void abandon() { abandoned_ = true; }

 private:
  static constexpr std::size_t kSize = 256 << 10;  // of a piece: fits a second-level cache
  static constexpr std::size_t kPinnedAtOnce = 4 << 20;
  static constexpr std::size_t kMostPinned = 3;  // times kPinnedAtOnce
  // What the GPU waits for may need another call of the program's: then uploads had better not wait for it.
  static constexpr std::size_t kMostPinnedWithHostFunctions = 64;

  struct Use {
    CUstream stream;
    CUevent event;
    bool recorded;
  };
  struct Piece {
    std::byte* data = nullptr;
    std::size_t used = 0;
    std::vector<Use> uses;
  };
  void record(Use& use);
  void advance();
  bool grow();
  bool ready(const Piece& piece) const;
  void collect_ready();
  void collect(std::deque<Piece>::iterator piece);

  const DriverTable& driver_;
  std::vector<std::unique_ptr<PinnedMemory>> pinned_;
  Piece filling_;
  std::deque<Piece> busy_;   // in the order in which they were filled
  std::vector<Piece> free_;  // the last was in use last
  std::vector<CUevent> spare_events_;
  bool abandoned_ = false;
};

// Events of one context for the worker's own use; they end with the context. Thread-safe.
class EventPool {
 public:
  explicit EventPool(const DriverTable& driver) : driver_(driver) {}
  CUevent take();
  void give(CUevent event);

 private:
  const DriverTable& driver_;
  std::mutex mutex_;
  std::vector<CUevent> spare_;
};

// Buffers for what comes back from the device; a lane holds one until its reply is sent. Thread-safe.
class DownloadBuffers {
 public:
  explicit DownloadBuffers(const DriverTable& driver) : driver_(driver) {}

  // A buffer of at least `size` bytes, which comes back when its last holder lets go of it. Waits for one
  // when the client has many copies in flight.
  std::shared_ptr<PinnedMemory> lend(std::size_t size);
  // A context has ended, and perhaps the registration of these buffers with it.
  void note_ended_context() { ++ended_contexts_; }
  unsigned ended_contexts() const { return ended_contexts_; }

 private:
  struct Kept {
    std::size_t size;  // of each buffer
    std::size_t most;
    std::size_t most_with_host_functions;
    std::size_t count = 0;
    // The last was in use last, and may still be cached.
    std::vector<std::unique_ptr<PinnedMemory>> idle{};
  };
  Kept* kept_for(std::size_t size);
  std::unique_ptr<PinnedMemory> take(std::size_t size);
  void give(std::unique_ptr<PinnedMemory> buffer);

  const DriverTable& driver_;
  std::mutex mutex_;
  std::condition_variable back_;
  // What is larger is not kept.
  std::array<Kept, 3> kept_{Kept{64 << 10, 1024, 1024}, Kept{wire::kDownloadChunk, 64, 256},
                            Kept{wire::kCopyChunk, 4, 64}};
  std::atomic<unsigned> ended_contexts_{0};
};

}  // namespace worker
