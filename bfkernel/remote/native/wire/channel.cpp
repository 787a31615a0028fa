// SPDX-License-Identifier: BSD-3-Clause
#include "wire/channel.h"

#include <sys/socket.h>

#include "wire/socket.h"

namespace wire {

SocketChannel::SocketChannel(int fd, std::chrono::seconds silence) : fd_(fd) { limit_silence(fd, silence); }

void SocketChannel::write(std::span<iovec> parts) { write_all(fd_, parts); }

std::optional<std::size_t> SocketChannel::read(void* data, std::size_t size) {
  ssize_t got = -1;
  const auto came = [&] {
    got = recv(fd_, data, size, MSG_DONTWAIT);
    return got >= 0;
  };
  if (lookout_.look(came)) return static_cast<std::size_t>(got);
  return read_in_time(fd_, data, size);
}

bool SocketChannel::arrived() const { return wire::readable(fd_); }

void SocketChannel::close() { shutdown(fd_, SHUT_RDWR); }

}  // namespace wire
