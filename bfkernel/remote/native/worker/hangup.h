// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "wire/channel.h"

namespace worker {

// Ends this process soon after the client has closed its end of the connection, whatever the session's thread
// does just then. It may wait for a kernel that never ends, and would not see that nobody waits with it.
//
// The end may stand behind data that nobody reads, and then cannot be seen: for that case the client has a
// lifeline, a further connection without any data.
void end_after_hangup(int socket);

// From now on that closes this channel too, which cannot see the client's end by itself.
void close_at_hangup(wire::Channel& channel);

}  // namespace worker
