// SPDX-License-Identifier: BSD-3-Clause
#include "worker/hangup.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "worker/log.h"

namespace worker {
namespace {

// What had arrived before the end is executed first, as far as that goes quickly.
constexpr auto kGrace = std::chrono::milliseconds(500);

void wait_for_hangup(int socket) {
  pollfd watched{socket, POLLRDHUP, 0};
  while (poll(&watched, 1, -1) < 0 && errno == EINTR) {
  }
}

}  // namespace

void end_after_hangup(int socket) {
  std::thread([socket] {
    wait_for_hangup(socket);
    std::this_thread::sleep_for(kGrace);
    log_line("the client has gone while the GPU was at work for it");
    _exit(0);
  }).detach();
}

}  // namespace worker
