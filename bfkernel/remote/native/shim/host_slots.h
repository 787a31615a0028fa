// SPDX-License-Identifier: BSD-3-Clause
// Slots: memory of the program that graphs copy from or to. A copy in a graph reads the program's memory each
// time it runs, so its contents are sent before each launch; what a graph copies to the program is sent by
// the worker before the answer of whatever call the program learns from that the launch is over.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shim/copies_box.h"
#include "wire/codec.h"

namespace shim::host_slots {

struct Slot {
  copies::Side side;
  uint64_t width = 0;
  uint64_t height = 0;
  uint64_t depth = 0;
  bool writable = false;  // the graph copies to it
  uint64_t bytes() const { return width * height * depth; }
};

// A new slot, with the name by which the worker knows it. It lives until the worker says that nothing uses it
// any more, or until drop().
uint64_t add(const Slot& slot);
void drop(uint64_t id);
std::optional<Slot> find(uint64_t id);

// Posts what the slots hold now.
void send(const std::vector<uint64_t>& slots);

// What the worker says unasked: the payload of a HostWrite. Throws wire::Malformed for what no slot takes.
void receive(wire::Bytes payload);

// A function of the program has run and may have written to these slots.
void set_after_host(uint64_t token, const std::vector<uint64_t>& slots);
void host_function_ran(uint64_t token);

}  // namespace shim::host_slots
