// SPDX-License-Identifier: BSD-3-Clause
// Memory that the program and the GPU both use at its address: managed memory and mapped host memory. The
// GPU's bytes are ordinary memory on the server; here are pages for the same bytes, of which each chunk is in
// one of three states:
//
//   gpu    the server has the bytes; touching the pages here faults, and the fault fetches them
//   equal  both sides have the same; reading is free, writing faults
//   ours   this side has written; the server learns of it before the GPU works again
//
// Before anything that lets the GPU touch memory, what is `ours` is sent and all is the `gpu`'s: natively too
// a program may not touch such memory while the GPU works (CONCURRENT_MANAGED_ACCESS is 0).
#pragma once

#include <atomic>
#include <cstdint>

#include "shim/contexts.h"
#include "wire/opcodes.h"

namespace shim::shared_pages {

inline constexpr uint64_t kPage = 4096;

// Some chunk is not the GPU's: what every request looks at.
inline std::atomic<bool> exposed{false};

struct Range {
  uint64_t host = 0;    // a multiple of kPage
  uint64_t device = 0;  // where the GPU has the bytes; often the same
  uint64_t size = 0;    // bytes
  ContextObject* context = nullptr;
};

// Pages for a module's managed variable, [address, address + size), at the place where the driver has put it:
// outside of the window, and beside other variables. A library's outlives its context, and goes on in any
// other. Throws Failure where this process has something there.
void add_variable(uint64_t address, uint64_t size, ContextObject* context, bool outlives_context);
void drop_variable(uint64_t address, uint64_t size);

// Makes pages for a range, with zeros on both sides. The addresses at `host` are reserved without access, and
// are so again after drop(). Throws Failure.
void add(const Range& range);
void drop(uint64_t host);

// Before a request that may let the GPU touch memory: sends what is ours. `exposed` was set.
void before(wire::Opcode opcode);
// The same after a function that ran in a stream, ahead of what the stream does next.
void hand_over();
// Brings [host, host + size) here, or gives it to the GPU, ahead of need.
void fetch(uint64_t host, uint64_t size);
void give(uint64_t host, uint64_t size);
// The program has no more use for what is in [host, host + size): it need not be sent.
void discard(uint64_t host, uint64_t size);
// Only the program uses the range until told otherwise (cuStreamAttachMemAsync): it stays here.
void keep_here(uint64_t host, bool here);

}  // namespace shim::shared_pages
