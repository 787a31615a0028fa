// SPDX-License-Identifier: BSD-3-Clause
// What becomes known while a program is connected: a notice of the pool's for the person, that the lease is
// over, that the server has closed the connection. A thread hears of it; the next call tells it, so that it
// appears in the cell that uses the GPU and costs nothing before.
#pragma once

#include "shim/lease.h"
#include "shim/transport.h"

namespace shim::news {

// Starts the thread, which ends with the connection. `transport` must live as long as the process.
void follow(const lease::File& file, Transport& transport);

// Tells a notice that was not told yet. For calls that process::watched has looked at.
void tell();

}  // namespace shim::news
