// SPDX-License-Identifier: BSD-3-Clause
// Memory at two addresses: where the program looks for it, with access given and taken as it goes, and where
// bytes come and go at any time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shim::double_mapping {

// New pages at `host`, readable, whose alias is returned; null where there is no memory or no room. Addresses
// that are `reserved` are this library's; others must be free. `size` in bytes, whole pages.
std::byte* make(uint64_t host, uint64_t size, bool reserved);
// Addresses that are reserved stay so, without access.
void end(uint64_t host, std::byte* alias, uint64_t size, bool reserved);

}  // namespace shim::double_mapping
