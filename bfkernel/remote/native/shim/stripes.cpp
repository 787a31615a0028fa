// SPDX-License-Identifier: BSD-3-Clause
#include "shim/stripes.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "shim/background.h"
#include "shim/connection.h"
#include "shim/failure.h"
#include "shim/log.h"

namespace shim::stripes {
namespace {

constexpr uint64_t kLargeCopy = 4 << 20;
// What the kernel lets a stream have on its way by default, some 2.5 MB of data, fills 10 Gbit/s for so long.
constexpr auto kFilledByOne = std::chrono::microseconds(2000);

std::chrono::microseconds round_trip(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  const bool known = getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_min_rtt != ~0U;
  return std::chrono::microseconds(known ? info.tcpi_min_rtt : 0);
}

void* open(void* count) {
  pthread_setname_np(pthread_self(), "bfkernel-join");
  Connection& to = connection();
  try {
    auto stripes = std::make_unique<PatientStripes>(to.lifeline());
    for (auto left = reinterpret_cast<uintptr_t>(count); left > 0; --left)
      stripes->open(greet_worker(to, wire::kStripeRole));
    to.transport().use(std::move(stripes));
  } catch (const Failure&) {
    // The lease cannot be read, and that was told.
  } catch (const std::exception& error) {
    log::say(std::string("large copies stay on one TCP stream: ") + error.what(), CU_LOG_LEVEL_WARNING);
  }
  return nullptr;
}

}  // namespace

std::optional<unsigned> wanted() {
  const char* value = std::getenv("BFKERNEL_STRIPES");
  const std::string_view word = value ? value : "";
  if (word.empty() || word == "auto") return std::nullopt;
  unsigned count = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), count);
  if (error != std::errc{} || end != word.data() + word.size() || count > wire::kMostStripes)
    throw std::runtime_error("BFKERNEL_STRIPES is '" + std::string(word) +
                             "'; set it to auto or a number from 0 to " + std::to_string(wire::kMostStripes));
  return count;
}

unsigned useful(int socket) {
  const auto streams = static_cast<unsigned>(round_trip(socket) / kFilledByOne);
  return streams > 1 ? streams : 0;  // one alone would carry no more than the first connection
}

void before_copy(uint64_t bytes) {
  if (bytes < kLargeCopy) return;
  const uintptr_t count = connection().take_stripes_to_open();
  if (count > 0) start_background(open, reinterpret_cast<void*>(count));
}

void PatientStripes::open(wire::Fd socket) {
  Lifeline::limit_writes(socket.get());
  wire::set_patience(socket.get(), wire::Patience::endless);
  add(std::move(socket));
}

void PatientStripes::write(std::span<iovec> parts) {
  lifeline_->patiently([&] { Stripes::write(parts); });
}

}  // namespace shim::stripes
