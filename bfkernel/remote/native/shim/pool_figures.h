// SPDX-License-Identifier: BSD-3-Clause
// What memory pools have in use, and what the program has set for them. Pools are the client's own affair: to
// the worker their memory is memory like other.
#pragma once

#include <cstdint>

#include "shim/contexts.h"

namespace shim::pool_figures {

// Counts a block that is about to be taken for a pool. Throws Failure{OUT_OF_MEMORY} past the pool's own
// limit.
void take(const PoolObject& pool, ContextObject* context, uint64_t bytes);
// The block is free, or was not to be had. The pool, named by its id, may be no more.
void give(uint64_t pool, ContextObject* context, uint64_t bytes);
void forget(uint64_t pool);

// Throw Failure{INVALID_VALUE} for an attribute that there is none of, or that cannot be set so.
uint64_t get(const PoolObject& pool, CUmemPool_attribute attribute);
void set(const PoolObject& pool, CUmemPool_attribute attribute, uint64_t value);

}  // namespace shim::pool_figures
