// SPDX-License-Identifier: BSD-3-Clause
#include "shim/fatbin.h"

#include <algorithm>
#include <optional>

namespace shim::fatbin {
namespace {

using wire::fatbin::Entry;
using wire::fatbin::EntryView;

// Chips of embedded boards, which share neither code with others nor others' with them.
bool is_embedded(uint32_t sm) { return sm == 53 || sm == 62 || sm == 72 || sm == 87 || sm == 101; }

bool cubin_serves(const Entry& entry, const Device& device) {
  const auto own = static_cast<uint32_t>(device.sm);
  if (entry.sm == own) return true;
  if ((entry.flags & wire::fatbin::kOneGpu) || is_embedded(entry.sm) || is_embedded(own)) return false;
  return entry.sm / 10 == own / 10 && entry.sm < own;
}

bool ptx_serves(const Entry& entry, const Device& device) {
  const auto own = static_cast<uint32_t>(device.sm);
  if (entry.flags & wire::fatbin::kOneGpu) return entry.sm == own;
  if (entry.flags & wire::fatbin::kFamily) return entry.sm / 10 == own / 10 && entry.sm <= own;
  return entry.sm <= own;
}

// Marks the newest entries of a kind that serve. There may be several of one age: debug forms, families.
template <class Serves>
bool mark_newest(const std::vector<EntryView>& entries, uint16_t kind, Serves serves,
                 std::vector<bool>* wanted) {
  std::optional<uint32_t> newest;
  for (const EntryView& each : entries)
    if (each.entry.kind == kind && serves(each.entry)) newest = std::max(newest.value_or(0), each.entry.sm);
  if (!newest) return false;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i].entry;
    if (entry.kind == kind && entry.sm == *newest && serves(entry)) (*wanted)[i] = true;
  }
  return true;
}

bool exact(const std::vector<EntryView>& entries, const std::vector<bool>& wanted, const Device& device) {
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i].entry;
    if (wanted[i] && entry.kind == wire::fatbin::kCubin && entry.sm == static_cast<uint32_t>(device.sm))
      return true;
  }
  return false;
}

// Marks what one device needs; true where that is machine code.
bool mark(const std::vector<EntryView>& entries, const Device& device, std::vector<bool>* wanted) {
  const auto cubins = [&] {
    const auto serves = [&](const Entry& entry) { return cubin_serves(entry, device); };
    return mark_newest(entries, wire::fatbin::kCubin, serves, wanted);
  };
  const auto ptx = [&] {
    const auto serves = [&](const Entry& entry) { return ptx_serves(entry, device); };
    const bool text = mark_newest(entries, wire::fatbin::kPtx, serves, wanted);
    return mark_newest(entries, wire::fatbin::kLto, serves, wanted) || text;
  };
  if (device.executes_machine_code) {
    const bool machine_code = cubins();
    // Asked by CU_JIT_FALLBACK_STRATEGY, a driver prefers PTX to machine code for a lower capability.
    if (!machine_code || !exact(entries, *wanted, device)) ptx();
    return machine_code;
  }
  // Machine code that cannot be executed can still be looked into.
  if (!ptx()) cubins();
  return false;
}

std::vector<std::byte> rebuilt(wire::Bytes container, const std::vector<EntryView>& entries,
                               const std::vector<bool>& wanted) {
  wire::fatbin::Container header;
  std::memcpy(&header, container.data(), sizeof header);
  std::vector<std::byte> out(container.begin(), container.begin() + header.header_size);
  for (size_t i = 0; i < entries.size(); ++i)
    if (wanted[i]) out.insert(out.end(), entries[i].whole.begin(), entries[i].whole.end());
  header.entries_size = out.size() - header.header_size;
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

}  // namespace

Shipment select(wire::Bytes container, const std::vector<Device>& devices) {
  const std::vector<EntryView> entries = wire::fatbin::entries(container);
  // What is of no kind that we know is the driver's to judge.
  std::vector<bool> wanted;
  for (const EntryView& each : entries) {
    const uint16_t kind = each.entry.kind;
    wanted.push_back(kind != wire::fatbin::kPtx && kind != wire::fatbin::kCubin &&
                     kind != wire::fatbin::kLto);
  }
  Shipment out;
  out.machine_code = true;
  for (const Device& device : devices) out.machine_code &= mark(entries, device, &wanted);
  out.empty = std::find(wanted.begin(), wanted.end(), true) == wanted.end();
  out.container = rebuilt(container, entries, wanted);
  return out;
}

std::string describe(wire::Bytes container) {
  std::string out;
  for (const EntryView& each : wire::fatbin::entries(container)) {
    if (!out.empty()) out += ' ';
    out += each.entry.kind == wire::fatbin::kCubin ? "sm_" : "compute_";
    out += std::to_string(each.entry.sm);
    if (each.entry.flags & wire::fatbin::kOneGpu) out += 'a';
    if (each.entry.flags & wire::fatbin::kFamily) out += 'f';
  }
  return out.empty() ? "nothing" : out;
}

}  // namespace shim::fatbin
