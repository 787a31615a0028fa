// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace shim {

// Starts a thread of our own in the program's process; the program's signals are not for it. False where the
// system gives none. Not a std::thread: an interpreter that is gone ends a thread that calls it
// (pthread_exit), through its frames.
bool start_background(void* (*run)(void*), void* argument);

}  // namespace shim
