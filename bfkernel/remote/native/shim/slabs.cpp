// SPDX-License-Identifier: BSD-3-Clause
#include "shim/slabs.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "shim/background.h"
#include "shim/capture.h"
#include "shim/move.h"
#include "shim/request.h"
#include "wire/memory_messages.h"
#include "wire/packer.h"

namespace shim::slabs {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kAlignment = 512;  // bytes; what callers of cudaMalloc rely on
// A grant without a block is kept for so long, and not where it is larger: others of the lease may need it.
constexpr auto kKept = std::chrono::milliseconds(100);
constexpr uint64_t kLargestKept = uint64_t{16} << 20;
// With more than this at rest an allocation waits for the GPU, as the driver does at each free.
constexpr uint64_t kMostResting = uint64_t{64} << 20;

struct Block {
  uint64_t size;
  uint64_t taken_at;  // the latest request before that
};
struct Resting {
  uint64_t address;
  uint64_t size;
  uint64_t freed_at;                 // the latest request that may be using it
  std::optional<uint64_t> freed_in;  // the stream in whose order that was
};
struct Grant {
  uint64_t size = 0;
  bool slab = false;  // of small blocks; else one block's
  size_t blocks = 0;
  Clock::time_point empty_since{};
};

// Where grants are: the device is another than the context's own for a pool of another device.
using Place = std::pair<ContextObject*, int>;
using Rests = std::list<Resting>;  // in the order in which they were freed

// What one context was granted on one device.
struct Room {
  std::map<uint64_t, Grant> grants;              // by address
  std::map<uint64_t, Block> blocks;              // by address
  wire::Packer small;                            // in the slabs
  std::set<std::pair<uint64_t, uint64_t>> kept;  // size and address of grants for one block, without it
  Rests resting;
  std::map<std::pair<uint64_t, uint64_t>, std::deque<Rests::iterator>> in_order;  // by stream and size
  uint64_t resting_bytes = 0;

  Grant& grant_of(uint64_t address) { return std::prev(grants.upper_bound(address))->second; }
};

// Never destroyed: other threads may still call while the process ends.
std::mutex& mutex = *new std::mutex;
std::map<Place, Room>& rooms = *new std::map<Place, Room>;
std::condition_variable& emptied = *new std::condition_variable;
bool keeper_runs = false;
bool keeper_sleeps = false;    // until told that a grant is empty
uint64_t settled_through = 0;  // the latest request before the GPUs were last waited for here

uint64_t round_up(uint64_t size, uint64_t step) { return (size + step - 1) / step * step; }

Transport& transport() { return connection().transport(); }

// What is asked for: rounded as the worker would, and the slab that it lies in, if it is small.
struct Wanted {
  uint64_t size;
  std::optional<uint64_t> slab;
};

Wanted wanted(const Place& place, uint64_t bytes) {
  require(bytes <= UINT64_MAX / 2, CUDA_ERROR_OUT_OF_MEMORY);
  const uint64_t slab = devices::info(devices::visible_ordinal(place.second)).granularity_recommended;
  const uint64_t size = round_up(bytes, kAlignment);
  if (size < slab) return {size, slab};
  return {round_up(size, slab), std::nullopt};
}

// ---- under the mutex

// The block may be handed out again.
void release(Room& room, const Resting& block) {
  if (room.grant_of(block.address).slab)
    room.small.give(block.address, block.size);
  else
    room.kept.emplace(block.size, block.address);
}

void begin_rest(Room& room, const Resting& block) {
  room.resting.push_back(block);
  if (block.freed_in) room.in_order[{*block.freed_in, block.size}].push_back(std::prev(room.resting.end()));
  room.resting_bytes += block.size;
  ++resting;
}

// Returns what comes after it in the room's list.
Rests::iterator take_out(Room& room, Rests::iterator block) {
  if (block->freed_in) {
    const auto same = room.in_order.find({*block->freed_in, block->size});
    std::erase(same->second, block);
    if (same->second.empty()) room.in_order.erase(same);
  }
  room.resting_bytes -= block->size;
  --resting;
  return room.resting.erase(block);
}

Rests::iterator end_rest(Room& room, Rests::iterator block) {
  release(room, *block);
  return take_out(room, block);
}

uint64_t hand_out(Room& room, uint64_t address, uint64_t size) {
  ++room.grant_of(address).blocks;
  room.blocks[address] = {size, transport().sent()};
  return address;
}

// What the stream's own order freed: to what follows in the stream it is free at once.
std::optional<uint64_t> find_in_order(Room& room, uint64_t size, uint64_t stream) {
  const auto same = room.in_order.find({stream, size});
  if (same == room.in_order.end()) return std::nullopt;
  const Rests::iterator block = same->second.back();
  const uint64_t address = block->address;
  take_out(room, block);
  hand_out(room, address, size);
  room.blocks[address].taken_at = 0;  // though nothing was sent since, it may be in use
  return address;
}

std::optional<uint64_t> find(Room& room, const Wanted& wanted) {
  const uint64_t through = std::max(transport().idle_through(), settled_through);
  while (!room.resting.empty() && room.resting.front().freed_at <= through)
    end_rest(room, room.resting.begin());
  if (wanted.slab) {
    const auto address = room.small.take(wanted.size);
    return address ? std::optional(hand_out(room, *address, wanted.size)) : std::nullopt;
  }
  const auto kept = room.kept.lower_bound({wanted.size, 0});
  if (kept == room.kept.end() || kept->first != wanted.size) return std::nullopt;
  const uint64_t address = kept->second;
  room.kept.erase(kept);
  return hand_out(room, address, wanted.size);
}

// Grants that have been without a block since `before` go back. What rests in them, the worker lets rest.
void give_back(ContextObject* context, Room& room, Clock::time_point before) {
  const auto goes = [&](const Grant& grant) { return grant.blocks == 0 && grant.empty_since <= before; };
  for (auto block = room.resting.begin(); block != room.resting.end();)
    block = goes(room.grant_of(block->address)) ? end_rest(room, block) : std::next(block);
  std::erase_if(room.grants, [&](const auto& entry) {
    const auto& [address, grant] = entry;
    if (!goes(grant)) return false;
    if (grant.slab) room.small.remove_region(address);
    room.kept.erase({grant.size, address});
    Request request(Opcode::MemFree, Context::any);
    request.in_context(context);
    request.fields(wire::MemFree{address});
    request.post();
    return true;
  });
}

std::optional<Clock::time_point> empty_longest() {
  std::optional<Clock::time_point> since;
  for (const auto& [place, room] : rooms)
    for (const auto& [address, grant] : room.grants)
      if (grant.blocks == 0) since = std::min(grant.empty_since, since.value_or(grant.empty_since));
  return since;
}

// A thread of our own, from the first grant on that is empty.
void* keep(void*) {
  std::unique_lock lock(mutex);
  while (true) {
    const auto since = empty_longest();
    if (!since) {
      keeper_sleeps = true;
      emptied.wait(lock);
      continue;
    }
    emptied.wait_until(lock, *since + kKept);
    try {
      for (auto& [place, room] : rooms) give_back(place.first, room, Clock::now() - kKept);
    } catch (const Failure&) {
      return nullptr;  // the connection has ended
    }
  }
}

// ---- not under the mutex

std::optional<uint64_t> find(const Place& place, const Wanted& wanted,
                             std::optional<uint64_t> stream = std::nullopt) {
  const std::lock_guard lock(mutex);
  Room& room = rooms[place];
  if (stream) {
    if (const auto found = find_in_order(room, wanted.size, *stream)) return found;
  }
  return find(room, wanted);
}

uint64_t ask(const Place& place, const Wanted& wanted) {
  const unsigned ends = place.first->ends;
  const uint64_t size = wanted.slab.value_or(wanted.size);
  const wire::MemAlloc message{size, place.second};
  Request request(wire::MemAlloc::opcode, Context::current);
  request.in_context(place.first);
  request.fields(message);
  const Reply reply = request.wait(Deferred::keep);
  const uint64_t address = reply.decoder().take<wire::MemAlloc::Reply>().address;
  const std::lock_guard lock(mutex);
  require(place.first->ends == ends, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  Room& room = rooms[place];
  room.grants[address] = {.size = size, .slab = wanted.slab.has_value()};
  if (!wanted.slab) return hand_out(room, address, size);
  room.small.add_region(address, size);
  return hand_out(room, *room.small.take(wanted.size), wanted.size);
}

// Waits for the GPUs, if that ends the rest of anything.
void end_all_rests() {
  if (resting == 0 || capture::in_flight()) return;
  const uint64_t sent = transport().sent();
  move::settle();
  const std::lock_guard lock(mutex);
  settled_through = std::max(settled_through, sent);
}

bool rests_too_much(const Place& place) {
  const std::lock_guard lock(mutex);
  return rooms[place].resting_bytes > kMostResting;
}

uint64_t take_at(const Place& place, uint64_t bytes, std::optional<uint64_t> stream) {
  const Wanted block = wanted(place, bytes);
  if (!stream && rests_too_much(place)) end_all_rests();
  if (const auto found = find(place, block, stream)) return *found;
  try {
    return ask(place, block);
  } catch (const Failure& failure) {
    if (failure.result != CUDA_ERROR_OUT_OF_MEMORY) throw;
  }
  end_all_rests();
  if (const auto found = find(place, block)) return *found;
  give_back_empty();
  // No slab: the worker may have a hole of its own that is large enough.
  return ask(place, {block.size, std::nullopt});
}

const bool registered = [] {
  contexts::on_end([](ContextObject* context) {
    const std::lock_guard lock(mutex);
    std::erase_if(rooms, [context](const auto& entry) {
      if (entry.first.first != context) return false;
      resting -= entry.second.resting.size();
      return true;
    });
  });
  return true;
}();

}  // namespace

uint64_t take(ContextObject* context, uint64_t bytes) {
  return take_at({context, context->device}, bytes, std::nullopt);
}

uint64_t take_in_order(ContextObject* context, int device, uint64_t bytes, uint64_t stream) {
  return take_at({context, device}, bytes, stream);
}

void give(ContextObject* context, int device, uint64_t address, std::optional<uint64_t> stream) {
  const uint64_t sent = transport().sent();
  const std::lock_guard lock(mutex);
  Room& room = rooms[{context, device}];
  const auto found = room.blocks.find(address);
  if (found == room.blocks.end()) return;  // ended with its context
  const Block block = found->second;
  room.blocks.erase(found);
  Grant& grant = room.grant_of(address);
  --grant.blocks;
  const Resting freed{address, block.size, sent, stream};
  if (block.taken_at == sent) {
    release(room, freed);
  } else {
    begin_rest(room, freed);
  }
  if (grant.blocks > 0) return;
  // What a stream's order frees, the same stream mostly takes again, however large it is.
  if (grant.size > kLargestKept && !stream) return give_back(context, room, grant.empty_since = {});
  grant.empty_since = Clock::now();
  if (!keeper_runs) keeper_runs = start_background(keep, nullptr);
  if (std::exchange(keeper_sleeps, false)) emptied.notify_one();
}

void give_back_empty() {
  const std::lock_guard lock(mutex);
  for (auto& [place, room] : rooms) give_back(place.first, room, Clock::now());
}

uint64_t unused(int device) {
  const std::lock_guard lock(mutex);
  uint64_t bytes = 0;
  for (auto& [place, room] : rooms) {
    if (place.second != device) continue;
    bytes += room.small.free_bytes() + room.resting_bytes;
    for (const auto& [size, address] : room.kept) bytes += size;
  }
  return bytes;
}

}  // namespace shim::slabs
