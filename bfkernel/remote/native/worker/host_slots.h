// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "wire/codec.h"
#include "worker/staging.h"

namespace worker {

class Connection;

// Memory of the client's program that graphs copy from or to stands here as a *slot*: a buffer that lives as
// long as a graph, an executable graph or a launch needs it. What a launch copied into slots goes to the
// client before the next answer that tells it that the launch is over.
class HostSlots {
 public:
  struct Slot {
    std::uint64_t id = 0;
    bool to_client = false;
    std::size_t size = 0;
    std::unique_ptr<PinnedMemory> memory;
    std::uint64_t launched = 0;  // the latest launch that copies to here; under mutex_
    // The latest launch whose results the client has: a host function needed them.
    std::atomic<std::uint64_t> delivered{0};
  };
  using Handle = std::shared_ptr<Slot>;

  // What all slots together take of this machine's memory is at most `most_bytes`. `dispose` ends a buffer:
  // the driver may wait for the GPU then.
  using Dispose = std::function<void(std::unique_ptr<PinnedMemory>)>;
  HostSlots(const DriverTable& driver, std::uint64_t most_bytes, Dispose dispose)
      : driver_(driver), most_bytes_(most_bytes), dispose_(std::move(dispose)) {}
  ~HostSlots() { stop(); }
  // Nothing is told any more: the session ends.
  void stop() { ending_ = true; }

  // Throws CudaError past the limit, wire::Malformed for an id that is taken.
  Handle create(std::uint64_t id, std::size_t size, bool to_client);
  // Null where there is none.
  Handle find(std::uint64_t id);
  Handle at(const void* memory);

  // A launch that copies from or into these slots is on its way; the event comes after it.
  struct Launch {
    CUevent done;
    std::shared_ptr<EventPool> events;
    std::uint64_t context;
    std::uint64_t exec;
    CUstream stream;
    std::vector<Handle> slots;
    // HostSlots' own:
    std::uint64_t number = 0;  // counted from 1
    bool in_delivery = false;
  };
  void launched(Launch launch);
  // A context whose launches are all over, or will never be.
  void end_context(std::uint64_t context);

  // Told to the client along with the slots that end.
  void memory_ended(std::uint64_t address);

  // True where deliver() may have something to do.
  bool owes() const { return owes_.load(std::memory_order_relaxed); }
  // Sends what finished launches left, and which slots are no more. Any thread.
  void deliver(Connection& connection);

  // Before the client runs a function of its program: what it may read of these slots goes first, over the
  // connection on which the function is asked for.
  void before_function(std::uint64_t token, const std::vector<Handle>& slots);
  void function_follows(std::uint64_t token, CUstream stream);
  using Send = std::function<void(wire::Bytes frame)>;
  void send_for_function(std::uint64_t token, const Send& send);

 private:
  void ended(Slot* slot);
  void deliver_launches(Connection& connection);
  std::vector<Launch> take_launches(const std::function<bool(const Launch&)>& which);
  void send_slots(const Launch& launch, Connection& connection);

  const DriverTable& driver_;
  const std::uint64_t most_bytes_;
  const Dispose dispose_;
  std::atomic<bool> ending_{false};
  std::atomic<bool> owes_{false};
  std::mutex delivery_;  // held while sending, so that who comes second knows that all is sent
  std::mutex mutex_;
  std::uint64_t bytes_ = 0;
  std::map<std::uint64_t, std::weak_ptr<Slot>> slots_;
  std::map<const void*, std::uint64_t> by_memory_;
  std::vector<Launch> launches_;
  std::uint64_t last_launch_ = 0;
  std::vector<std::uint64_t> ended_slots_;
  std::vector<std::uint64_t> ended_memory_;
  struct Readable {
    std::weak_ptr<Slot> slot;
    std::uint64_t launch;  // 0: whichever is the latest
  };
  struct Function {
    std::vector<Readable> slots;
    bool once = false;
  };
  std::map<std::uint64_t, Function> functions_;
};

}  // namespace worker
