// SPDX-License-Identifier: BSD-3-Clause
#include "wire/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "wire/failed_call.h"

namespace wire {
namespace {

// Waits until a non-blocking connect has ended; errno says how.
bool finish_connect(int fd, std::chrono::milliseconds timeout) {
  pollfd poll_fd{fd, POLLOUT, 0};
  int ready = 0;
  do ready = poll(&poll_fd, 1, static_cast<int>(timeout.count()));
  while (ready < 0 && errno == EINTR);
  if (ready <= 0) {
    errno = ETIMEDOUT;
    return false;
  }
  socklen_t size = sizeof errno;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &size);
  return errno == 0;
}

Fd try_connect(const addrinfo& to, std::chrono::milliseconds timeout) {
  Fd fd(socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to.ai_protocol));
  if (!fd) return {};
  if (connect(fd.get(), to.ai_addr, to.ai_addrlen) != 0 &&
      (errno != EINPROGRESS || !finish_connect(fd.get(), timeout)))
    return {};
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) & ~O_NONBLOCK);
  return fd;
}

// What `read` got, nothing where it would have had to wait. An error is told by the system once.
template <class Read>
std::optional<size_t> attempt(const Read& read) {
  while (true) {
    const ssize_t got = read();
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EAGAIN) return std::nullopt;
    if (errno != EINTR) fail("reading from the data connection");
  }
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
}

Fd connect_tcp(const std::string& address, std::chrono::milliseconds timeout) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("'" + address + "' is not host:port");
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found); error != 0)
    throw std::runtime_error("the GPU server " + address + " was not found: " + gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, freeaddrinfo);
  for (const addrinfo* to = found; to; to = to->ai_next) {
    if (Fd fd = try_connect(*to, timeout)) {
      tune_tcp(fd.get());
      return fd;
    }
  }
  throw std::runtime_error("the GPU server " + address + " does not answer: " + std::strerror(errno));
}

void tune_tcp(int fd) {
  const auto set = [fd](int level, int option, int value) {
    setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_patience(fd, Patience::normal);
}

void set_patience(int fd, Patience patience) {
  const int limit_ms = patience == Patience::normal ? 20000 : 0;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof limit_ms);
}

void write_all(int fd, const void* data, size_t size) {
  iovec part{const_cast<void*>(data), size};
  write_all(fd, std::span(&part, 1));
}

void write_all(int fd, std::span<iovec> parts) {
  for (parts = unwritten(parts, 0); !parts.empty();) parts = unwritten(parts, write_some(fd, parts));
}

size_t write_some(int fd, std::span<const iovec> parts) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  while (true) {
    const ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<size_t>(sent);
    if (errno != EINTR) fail("writing to the data connection");
  }
}

std::span<iovec> unwritten(std::span<iovec> parts, size_t written) {
  while (!parts.empty()) {
    iovec& first = parts.front();
    const size_t step = std::min(written, first.iov_len);
    first.iov_base = static_cast<char*>(first.iov_base) + step;
    first.iov_len -= step;
    written -= step;
    if (first.iov_len > 0) break;
    parts = parts.subspan(1);
  }
  return parts;
}

void limit_silence(int fd, std::chrono::seconds limit) {
  const timeval time{limit.count(), 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

bool read_exact(int fd, void* data, size_t size) {
  auto* at = static_cast<char*>(data);
  for (size_t done = 0; done < size;) {
    const size_t got = read_some(fd, at + done, size - done);
    if (got == 0) {
      if (done == 0) return false;
      errno = ECONNRESET;
      fail("reading from the data connection");
    }
    done += got;
  }
  return true;
}

size_t read_some(int fd, void* data, size_t size) {
  const std::optional<size_t> got = read_in_time(fd, data, size);
  if (!got) fail("reading from the data connection");
  return *got;
}

std::optional<size_t> read_in_time(int fd, void* data, size_t size) {
  return attempt([&] { return read(fd, data, size); });
}

std::optional<size_t> read_at_once(int fd, void* data, size_t size) {
  return attempt([&] { return recv(fd, data, size, MSG_DONTWAIT); });
}

bool readable(int fd) {
  pollfd poll_fd{fd, POLLIN, 0};
  return poll(&poll_fd, 1, 0) > 0;
}

}  // namespace wire
