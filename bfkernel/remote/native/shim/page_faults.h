// SPDX-License-Identifier: BSD-3-Clause
// Accesses to pages that are not here: what the system reports as SIGSEGV becomes a question to one thread,
// while the thread that touched the page waits. Nothing but that happens in the signal handler, so it may
// interrupt whatever code; addresses that are nobody's go on to the handler that was there before.
#pragma once

#include <cstdint>

namespace shim::page_faults {

// Answers whether the access may be tried again. `by_function`: it is a function's that runs in a stream,
// which waits. Called by the thread of this file.
using Resolve = bool (*)(uint64_t address, bool write, bool by_function);

// Addresses from `begin` to `end` are asked about from now on. The first call starts the thread.
void watch(uint64_t begin, uint64_t end, Resolve resolve);

// Puts the handler back on top where the program has set one of its own since.
void keep_handler();

}  // namespace shim::page_faults
