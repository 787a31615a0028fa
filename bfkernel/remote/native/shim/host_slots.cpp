// SPDX-License-Identifier: BSD-3-Clause
#include "shim/host_slots.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "shim/memory.h"
#include "shim/request.h"
#include "wire/graph_messages.h"

namespace shim::host_slots {
namespace {

// Never destroyed: a reply may still be read while the process ends.
std::mutex& mutex = *new std::mutex;
std::map<uint64_t, Slot>& slots = *new std::map<uint64_t, Slot>;
std::map<uint64_t, std::vector<uint64_t>>& after_host = *new std::map<uint64_t, std::vector<uint64_t>>;

// Calls copy(program's bytes, packed bytes, number) for [offset, offset + size) of the packed form.
template <class Packed, class Copy>
void for_each_piece(const Slot& slot, uint64_t offset, Packed* packed, uint64_t size, Copy&& copy) {
  while (size > 0) {
    const uint64_t row = offset / slot.width;
    const uint64_t column = offset % slot.width;
    const uint64_t step = std::min(size, slot.width - column);
    auto* at = reinterpret_cast<std::byte*>(slot.side.at(row % slot.height, row / slot.height) + column);
    copy(at, packed, step);
    packed += step;
    offset += step;
    size -= step;
  }
}

// One chunk of a slot's contents, as a request that is ready to go.
void encode(Request& request, uint64_t id, const Slot& slot, uint64_t offset, uint64_t size,
            std::vector<std::byte>& packed) {
  packed.resize(size);
  for_each_piece(slot, offset, packed.data(), size,
                 [](std::byte* at, std::byte* to, uint64_t step) { std::memcpy(to, at, step); });
  request.fields(id, offset, size);  // SlotContents, its bytes follow
}

template <class Send>
void for_each_chunk(uint64_t id, Send&& send) {
  const auto slot = find(id);
  if (!slot) return;
  for (uint64_t done = 0; done < slot->bytes();) {
    const uint64_t step = std::min(slot->bytes() - done, wire::kCopyChunk);
    send(*slot, done, step);
    done += step;
  }
}

}  // namespace

uint64_t add(const Slot& slot) {
  const uint64_t id = next_id();
  const std::lock_guard lock(mutex);
  slots.emplace(id, slot);
  return id;
}

void drop(uint64_t id) {
  const std::lock_guard lock(mutex);
  slots.erase(id);
}

std::optional<Slot> find(uint64_t id) {
  const std::lock_guard lock(mutex);
  const auto found = slots.find(id);
  return found == slots.end() ? std::nullopt : std::optional(found->second);
}

void send(const std::vector<uint64_t>& ids) {
  std::vector<std::byte> packed;
  for (const uint64_t id : ids) {
    for_each_chunk(id, [&](const Slot& slot, uint64_t offset, uint64_t size) {
      Request request(Opcode::SlotContents, Context::any);
      encode(request, id, slot, offset, size, packed);
      request.post(packed);
    });
  }
}

void receive(wire::Bytes payload) {
  wire::Decoder in(payload);
  const auto write = in.take<wire::HostWrite>();
  in.end();
  if (write.ended) {
    if (write.memory) memory::remove(write.memory);
    return drop(write.slot);
  }
  const std::lock_guard lock(mutex);
  const auto found = slots.find(write.slot);
  const bool fits = found != slots.end() && found->second.writable && write.offset <= found->second.bytes() &&
                    write.bytes.size() <= found->second.bytes() - write.offset;
  if (!fits) throw wire::Malformed("the server writes to memory that no graph copies to");
  for_each_piece(found->second, write.offset, write.bytes.data(), write.bytes.size(),
                 [](std::byte* at, const std::byte* from, uint64_t step) { std::memcpy(at, from, step); });
}

void set_after_host(uint64_t token, const std::vector<uint64_t>& ids) {
  const std::lock_guard lock(mutex);
  auto& known = after_host[token];
  for (const uint64_t id : ids)
    if (std::find(known.begin(), known.end(), id) == known.end()) known.push_back(id);
}

namespace {

// The slots that are still there of those to send after a function.
std::vector<uint64_t> slots_after(uint64_t token) {
  const std::lock_guard lock(mutex);
  const auto found = after_host.find(token);
  if (found == after_host.end()) return {};
  std::erase_if(found->second, [](uint64_t id) { return !slots.contains(id); });
  const std::vector<uint64_t> ids = found->second;
  if (ids.empty()) after_host.erase(found);
  return ids;
}

}  // namespace

// The function's answer goes over another connection, so what it wrote must have arrived before.
void host_function_ran(uint64_t token) {
  const std::vector<uint64_t> ids = slots_after(token);
  std::vector<std::byte> packed;
  for (const uint64_t id : ids) {
    for_each_chunk(id, [&](const Slot& slot, uint64_t offset, uint64_t size) {
      Request request(Opcode::SlotContents, Context::any);
      encode(request, id, slot, offset, size, packed);
      request.raw(packed.data(), packed.size());
      Pending pending;
      request.wait(pending);
    });
  }
}

}  // namespace shim::host_slots
