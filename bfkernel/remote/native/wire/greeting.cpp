// SPDX-License-Identifier: BSD-3-Clause
#include "wire/greeting.h"

#include <poll.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include "wire/codec.h"
#include "wire/socket.h"

namespace wire {
namespace {

using Clock = std::chrono::steady_clock;

void wait_for(int fd, short events, Clock::time_point deadline) {
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd poll_fd{fd, events, 0};
    const int ready = left > 0 ? poll(&poll_fd, 1, static_cast<int>(left)) : 0;
    if (ready > 0) return;
    if (ready < 0 && errno == EINTR) continue;
    throw std::system_error(ready < 0 ? errno : ETIMEDOUT, std::generic_category(), "waiting for a greeting");
  }
}

// Byte by byte as it comes, never more than asked for: what follows a greeting belongs to somebody else.
void read_all(int fd, void* data, size_t size, Clock::time_point deadline) {
  auto* at = static_cast<char*>(data);
  while (size > 0) {
    wait_for(fd, POLLIN, deadline);
    const size_t got = read_some(fd, at, size);
    if (got == 0) throw std::system_error(ECONNRESET, std::generic_category(), "reading a greeting");
    at += got;
    size -= got;
  }
}

}  // namespace

void send_greeting(int fd, const json::Object& greeting, std::chrono::milliseconds timeout) {
  const std::string body = json::Value(greeting).dump();
  const uint32_t size = static_cast<uint32_t>(body.size());
  std::string text(kGreetingMagic);
  text.append(reinterpret_cast<const char*>(&size), sizeof size);
  text += body;
  wait_for(fd, POLLOUT, Clock::now() + timeout);
  write_all(fd, text.data(), text.size());
}

json::Value receive_greeting(int fd, std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  char head[12];
  read_all(fd, head, sizeof head, deadline);
  uint32_t size = 0;
  std::memcpy(&size, head + 8, sizeof size);
  if (std::string_view(head, 8) != kGreetingMagic || size > kMaxGreeting)
    throw Malformed("the other side does not speak bfkernel's protocol");
  std::string body(size, '\0');
  read_all(fd, body.data(), size, deadline);
  try {
    return json::parse(body);
  } catch (const json::Error& error) {
    throw Malformed(error.what());
  }
}

std::string hex(uint64_t number) {
  char buffer[16];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, 16).ptr;
  return "0x" + std::string(buffer, end);
}

uint64_t parse_hex(const std::string& text) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  if (text.size() < 3 || text[0] != '0' || text[1] != 'x' ||
      std::from_chars(text.data() + 2, end, number, 16).ptr != end)
    throw Malformed("not a hexadecimal number: " + text);
  return number;
}

}  // namespace wire
