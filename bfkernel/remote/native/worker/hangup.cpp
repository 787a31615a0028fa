// SPDX-License-Identifier: BSD-3-Clause
#include "worker/hangup.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

#include "worker/log.h"

namespace worker {
namespace {

// What had arrived before the end is executed first, as far as that goes quickly.
constexpr auto kGrace = std::chrono::milliseconds(500);

std::atomic<wire::Channel*> channel_to_close{nullptr};
std::atomic<bool> hung_up{false};

void wait_for_hangup(int socket) {
  pollfd watched{socket, POLLRDHUP, 0};
  while (poll(&watched, 1, -1) < 0 && errno == EINTR) {
  }
}

}  // namespace

void end_after_hangup(int socket) {
  std::thread([socket] {
    wait_for_hangup(socket);
    hung_up = true;
    if (wire::Channel* channel = channel_to_close) channel->close();
    std::this_thread::sleep_for(kGrace);
    alarm(1);  // where nobody reads the log
    log_line("the client has gone while the GPU was at work for it");
    _exit(0);
  }).detach();
}

void close_at_hangup(wire::Channel& channel) {
  channel_to_close = &channel;
  if (hung_up) channel.close();
}

}  // namespace worker
