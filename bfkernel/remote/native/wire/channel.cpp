// SPDX-License-Identifier: BSD-3-Clause
#include "wire/channel.h"

#include <sys/socket.h>

#include "wire/socket.h"

namespace wire {

SocketChannel::SocketChannel(int fd, std::chrono::seconds silence) : fd_(fd) { limit_silence(fd, silence); }

void SocketChannel::write(std::span<iovec> parts) { write_all(fd_, parts); }

std::optional<std::size_t> SocketChannel::read(void* data, std::size_t size) {
  std::optional<std::size_t> got;
  if (lookout_.look([&] { return (got = read_at_once(fd_, data, size)).has_value(); })) return got;
  return read_in_time(fd_, data, size);
}

bool SocketChannel::arrived() const { return wire::readable(fd_); }

void SocketChannel::close() { shutdown(fd_, SHUT_RDWR); }

}  // namespace wire
