// SPDX-License-Identifier: BSD-3-Clause
// One end of a data connection once the greetings are over: bytes out, in order, and bytes in. Two kinds are
// above the same frames: a socket between machines, shared memory on one (shared_channel.h).
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>

#include "wire/lookout.h"

namespace wire {

class Channel {
 public:
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  virtual ~Channel() = default;

  // Writes all of `parts`, which are consumed; waits for room. One thread at a time. Throws std::system_error
  // once the connection has ended.
  virtual void write(std::span<iovec> parts) = 0;

  // What is there, at most `size` bytes, waiting for at least one: 0 at the end, nothing after a silence of
  // the length that the channel was made with. One thread at a time. Throws std::system_error.
  virtual std::optional<std::size_t> read(void* data, std::size_t size) = 0;

  // True where read() would not wait, as far as that is known without asking the system.
  virtual bool readable() const { return false; }

  // The same, asking the system where need be.
  virtual bool arrived() const { return readable(); }

  // True where a write costs about as much as a copy in memory, so that gathering several gains nothing.
  virtual bool writes_are_cheap() const { return false; }

  // Ends the connection. Any thread: who writes finds out, and who reads after what had come before.
  virtual void close() = 0;

  // In the child of a fork: lets go of what the child must not keep open, and touches nothing else.
  virtual void abandon() {}
};

class SocketChannel : public Channel {
 public:
  // `fd` must outlive this. A silence of zero: read() waits for ever. It looks for a moment before it sleeps.
  explicit SocketChannel(int fd, std::chrono::seconds silence = {});

  void write(std::span<iovec> parts) override;
  std::optional<std::size_t> read(void* data, std::size_t size) override;
  bool arrived() const override;
  void close() override;

 protected:
  int fd() const { return fd_; }

 private:
  const int fd_;
  Lookout lookout_;
};

}  // namespace wire
