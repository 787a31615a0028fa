// SPDX-License-Identifier: BSD-3-Clause
#include "worker/local_door.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

#include "wire/codec.h"
#include "wire/greeting.h"
#include "wire/unix_socket.h"
#include "worker/log.h"

namespace worker {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = 5s;

std::string random_word() {
  std::uint64_t numbers[2] = {};
  if (getrandom(numbers, sizeof numbers, 0) != sizeof numbers)
    throw std::system_error(errno, std::generic_category(), "asking for random numbers");
  return wire::hex(numbers[0]).substr(2) + wire::hex(numbers[1]).substr(2);
}

// Null where nobody knocks in time.
wire::Fd next_caller(int listening, Clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
  pollfd watched{listening, POLLIN, 0};
  if (left.count() <= 0 || poll(&watched, 1, static_cast<int>(left.count())) <= 0) return {};
  return wire::Fd(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
}

}  // namespace

LocalDoor::LocalDoor(bool open) {
  if (!open) return;
  try {
    key_ = random_word();
    name_ = "bfkernel-" + random_word();
    listening_ = wire::listen_locally(name_);
  } catch (const std::system_error& error) {
    log_line("clients on this machine get no shared memory: %s", error.what());
  }
}

wire::json::Value LocalDoor::offer() const {
  if (!listening_) return nullptr;
  return wire::json::Object{{"socket", name_}, {"key", key_}};
}

wire::Segment LocalDoor::admit() {
  const auto end = Clock::now() + kPatience;
  while (wire::Fd caller = next_caller(listening_.get(), end)) {
    try {
      if (wire::receive_letter(caller.get(), 1s).text != key_) continue;
    } catch (const std::system_error&) {
      continue;  // somebody else
    }
    const wire::Fd file = wire::Segment::make_file();
    if (!wire::send_letter(caller.get(), "segment", file.get())) break;
    listening_.reset();
    line_ = std::move(caller);
    return wire::Segment(file.get());
  }
  throw wire::Malformed("the client said that it is on this machine, and did not come for its shared memory");
}

}  // namespace worker
