// SPDX-License-Identifier: BSD-3-Clause
// Sockets: what shim and worker both do with them.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace wire {

// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Connects to "host:port". Throws std::runtime_error with a sentence for the user.
Fd connect_tcp(const std::string& address, std::chrono::milliseconds timeout);

// No delay, keepalive, and a limit on how long unacknowledged data may wait, so that a dead host is noticed.
void tune_tcp(int fd);

// How long data may lie unacknowledged, or wait for the other side to take more, before the connection is
// lost.
enum class Patience { normal, endless };
void set_patience(int fd, Patience patience);

// Write everything, or throw std::system_error. Never raises SIGPIPE.
void write_all(int fd, const void* data, size_t size);
void write_all(int fd, std::span<iovec> parts);  // parts are consumed
// What there is room for, at least one byte; how many were taken. Throws as write_all() does.
size_t write_some(int fd, std::span<const iovec> parts);
// What is left of `parts` when their first `written` bytes, and parts without any, are consumed.
std::span<iovec> unwritten(std::span<iovec> parts, size_t written);

// From now on a read waits no longer than this; zero: for ever.
void limit_silence(int fd, std::chrono::seconds limit);

// Exactly `size` bytes. False when the other side closed before the first; throws std::system_error
// otherwise.
bool read_exact(int fd, void* data, size_t size);

// What is there, at most `size` bytes, waiting for at least one: 0 at the end. Throws std::system_error.
size_t read_some(int fd, void* data, size_t size);
// The same, but nothing when the socket's own limit on waiting (SO_RCVTIMEO) has run out.
std::optional<size_t> read_in_time(int fd, void* data, size_t size);
// The same, but nothing when there is nothing.
std::optional<size_t> read_at_once(int fd, void* data, size_t size);
// Whether read_some() would return at once.
bool readable(int fd);

}  // namespace wire
