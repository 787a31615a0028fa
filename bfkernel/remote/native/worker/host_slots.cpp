// SPDX-License-Identifier: BSD-3-Clause
#include "worker/host_slots.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "wire/frame.h"
#include "wire/graph_messages.h"
#include "worker/session.h"

namespace worker {
namespace {

std::uint64_t footprint(std::size_t size) {
  constexpr std::size_t kPage = 4096;
  return (size + kPage - 1) / kPage * kPage;
}

// Calls send(fields before the bytes, bytes) for each piece of a slot.
template <class Send>
void for_each_chunk(const HostSlots::Slot& slot, Send&& send) {
  for (std::size_t done = 0; done < slot.size;) {
    const std::size_t step = std::min<std::size_t>(slot.size - done, wire::kCopyChunk);
    std::vector<std::byte> fields;
    wire::Encoder out(fields);
    out(slot.id, std::uint64_t{done}, std::uint8_t{0}, std::uint64_t{0}, std::uint64_t{step});  // HostWrite
    send(wire::Bytes(fields), wire::Bytes(slot.memory->data() + done, step));
    done += step;
  }
}

void send_ended(Connection& connection, std::uint64_t slot, std::uint64_t memory) {
  std::vector<std::byte> payload;
  wire::Encoder out(payload);
  wire::HostWrite message;
  message.slot = slot;
  message.memory = memory;
  message.ended = 1;
  out(message);
  const wire::Bytes bytes(payload);
  connection.send({.opcode = wire::kOpcodeHostWrite}, std::span(&bytes, 1));
}

}  // namespace

HostSlots::Handle HostSlots::create(std::uint64_t id, std::size_t size, bool to_client) {
  if (id < wire::kFirstClientId || id >= wire::kFirstServerId)
    throw wire::Malformed("a slot has an id that no client chooses");
  auto slot = std::make_unique<Slot>();
  slot->id = id;
  slot->to_client = to_client;
  slot->size = size;
  const std::lock_guard lock(mutex_);
  if (slots_.contains(id)) throw wire::Malformed("a new slot has an id that is taken");
  if (size > most_bytes_ || bytes_ + footprint(size) > most_bytes_) throw CudaError{CUDA_ERROR_OUT_OF_MEMORY};
  slot->memory = std::make_unique<PinnedMemory>(driver_, size);
  std::fill_n(slot->memory->data(), size, std::byte{0});
  bytes_ += footprint(size);
  Handle handle(slot.release(), [this](Slot* last) { ended(last); });
  slots_.emplace(id, handle);
  by_memory_.emplace(handle->memory->data(), id);
  return handle;
}

void HostSlots::ended(Slot* slot) {
  const std::unique_ptr<Slot> last(slot);
  if (ending_) return;
  {
    const std::lock_guard lock(mutex_);
    bytes_ -= footprint(slot->size);
    slots_.erase(slot->id);
    by_memory_.erase(slot->memory->data());
    ended_slots_.push_back(slot->id);
    owes_ = true;
  }
  dispose_(std::move(slot->memory));
}

void HostSlots::memory_ended(std::uint64_t address) {
  const std::lock_guard lock(mutex_);
  ended_memory_.push_back(address);
  owes_ = true;
}

HostSlots::Handle HostSlots::find(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = slots_.find(id);
  return found != slots_.end() ? found->second.lock() : nullptr;
}

HostSlots::Handle HostSlots::at(const void* memory) {
  const std::lock_guard lock(mutex_);
  const auto found = by_memory_.find(memory);
  return found != by_memory_.end() ? slots_[found->second].lock() : nullptr;
}

void HostSlots::launched(Launch launch) {
  const std::lock_guard lock(mutex_);
  owes_ = true;
  launch.number = ++last_launch_;
  for (const Handle& slot : launch.slots) slot->launched = launch.number;
  // A later launch in the same stream ends after this one, and where its slots are the same it leaves its
  // results in the same place. (Where they are not, the end of a slot would need the lock as well.)
  for (Launch& earlier : launches_) {
    if (earlier.exec != launch.exec || earlier.stream != launch.stream) continue;
    if (earlier.in_delivery || earlier.slots != launch.slots) continue;
    earlier.events->give(earlier.done);
    earlier = std::move(launch);
    return;
  }
  launches_.push_back(std::move(launch));
}

void HostSlots::end_context(std::uint64_t context) {
  std::vector<Launch> over;  // ended outside the lock, which the end of a slot takes
  const std::lock_guard delivery(delivery_);
  {
    const std::lock_guard lock(mutex_);
    over = take_launches([&](const Launch& launch) { return launch.context == context; });
  }
}

void HostSlots::deliver(Connection& connection) {
  const std::lock_guard delivery(delivery_);
  deliver_launches(connection);
  std::vector<std::uint64_t> slots;
  std::vector<std::uint64_t> memory;
  {
    const std::lock_guard lock(mutex_);
    slots.swap(ended_slots_);
    memory.swap(ended_memory_);
    owes_ = !launches_.empty();
  }
  for (const std::uint64_t slot : slots) send_ended(connection, slot, 0);
  for (const std::uint64_t address : memory) send_ended(connection, 0, address);
}

// Under delivery_. A launch stays known until its results are sent: a function that follows may need them.
void HostSlots::deliver_launches(Connection& connection) {
  std::vector<Launch> launches;
  {
    const std::lock_guard lock(mutex_);
    for (Launch& launch : launches_) launch.in_delivery = true;
    launches = launches_;
  }
  std::set<std::uint64_t> over;
  for (const Launch& launch : launches) {
    const CUresult result = call(driver_.cuEventQuery, launch.done);
    if (result == CUDA_ERROR_NOT_READY) continue;
    if (result == CUDA_SUCCESS) send_slots(launch, connection);
    over.insert(launch.number);
  }
  std::vector<Launch> ended;  // outside the lock, which the end of a slot takes
  {
    const std::lock_guard lock(mutex_);
    for (Launch& launch : launches_) launch.in_delivery = false;
    ended = take_launches([&](const Launch& launch) { return over.contains(launch.number); });
  }
  for (const Launch& launch : ended) launch.events->give(launch.done);
}

// Under mutex_.
std::vector<HostSlots::Launch> HostSlots::take_launches(const std::function<bool(const Launch&)>& which) {
  const auto middle = std::stable_partition(launches_.begin(), launches_.end(),
                                            [&](const Launch& launch) { return !which(launch); });
  std::vector<Launch> taken(std::make_move_iterator(middle), std::make_move_iterator(launches_.end()));
  launches_.erase(middle, launches_.end());
  return taken;
}

void HostSlots::send_slots(const Launch& launch, Connection& connection) {
  for (const Handle& slot : launch.slots) {
    if (!slot->to_client || slot->delivered >= launch.number) continue;
    for_each_chunk(*slot, [&](wire::Bytes fields, wire::Bytes bytes) {
      const std::array<wire::Bytes, 2> parts{fields, bytes};
      connection.send({.opcode = wire::kOpcodeHostWrite}, parts);
    });
  }
}

void HostSlots::before_function(std::uint64_t token, const std::vector<Handle>& slots) {
  const std::lock_guard lock(mutex_);
  Function& function = functions_[token];
  for (const Handle& slot : slots) {
    const auto same = [&](const Readable& known) {
      return !known.slot.owner_before(slot) && !slot.owner_before(known.slot);
    };
    if (std::none_of(function.slots.begin(), function.slots.end(), same)) function.slots.push_back({slot, 0});
  }
}

// A function after a launch in the same stream may read what the launch left.
void HostSlots::function_follows(std::uint64_t token, CUstream stream) {
  const std::lock_guard lock(mutex_);
  for (const Launch& launch : launches_) {
    if (launch.stream != stream) continue;
    Function& function = functions_[token];
    function.once = true;
    for (const Handle& slot : launch.slots)
      if (slot->to_client) function.slots.push_back({slot, launch.number});
  }
}

// On a thread of the driver's, where the driver must not be called.
void HostSlots::send_for_function(std::uint64_t token, const Send& send) {
  std::vector<std::pair<Handle, std::uint64_t>> slots;  // and the launch that left its results there
  {
    const std::lock_guard lock(mutex_);
    const auto found = functions_.find(token);
    if (found == functions_.end()) return;
    for (const auto& [slot, launch] : found->second.slots) {
      Handle handle = slot.lock();
      if (!handle) continue;
      const std::uint64_t number = launch != 0 ? launch : handle->launched;
      slots.emplace_back(std::move(handle), number);
    }
    std::erase_if(found->second.slots, [](const Readable& readable) { return readable.slot.expired(); });
    if (found->second.once || found->second.slots.empty()) functions_.erase(found);
  }
  for (const auto& [slot, launch] : slots) {
    slot->delivered = launch;
    for_each_chunk(*slot, [&](wire::Bytes fields, wire::Bytes bytes) {
      const wire::FrameHeader header{.size = static_cast<std::uint32_t>(fields.size() + bytes.size()),
                                     .opcode = wire::kOpcodeHostWrite};
      send(std::as_bytes(std::span(&header, 1)));
      send(fields);
      send(bytes);
    });
  }
}

}  // namespace worker
