// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <utility>

#include "shim/lifeline.h"
#include "wire/channel.h"
#include "wire/socket.h"

namespace shim {

// A socket to a server that may take nothing for a while, since a kernel runs (lifeline.h).
class PatientSocket : public wire::SocketChannel {
 public:
  // `fd`, which must outlive this, is the lifeline's connection.
  PatientSocket(int fd, std::shared_ptr<Lifeline> lifeline)
      : SocketChannel(fd), lifeline_(std::move(lifeline)) {
    Lifeline::limit_writes(fd);
  }

  void write(std::span<iovec> parts) override;
  void abandon() override { lifeline_->abandon(); }

 private:
  const std::shared_ptr<Lifeline> lifeline_;  // the writer's
};

}  // namespace shim
