// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "shim/lifeline.h"
#include "wire/channel.h"
#include "wire/socket.h"

namespace shim {

// A socket to a server that may take nothing for a while, since a kernel runs (lifeline.h).
class PatientSocket : public wire::SocketChannel {
 public:
  // `fd` must outlive this; `lifeline` opens a second connection.
  PatientSocket(int fd, std::function<wire::Fd()> lifeline)
      : SocketChannel(fd), lifeline_(std::move(lifeline)) {
    Lifeline::limit_writes(fd);
  }

  void write(std::span<iovec> parts) override;
  void abandon() override { lifeline_.abandon(); }

 private:
  Lifeline lifeline_;  // the writer's
};

}  // namespace shim
