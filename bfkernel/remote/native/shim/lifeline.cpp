// SPDX-License-Identifier: BSD-3-Clause
#include "shim/lifeline.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "shim/failure.h"

namespace shim {
namespace {

constexpr timeval kStall{1, 0};

}  // namespace

void Lifeline::limit_writes(int socket) {
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &kStall, sizeof kStall);
}

// The server has taken nothing for so long.
void Lifeline::wait() {
  if (patient_) return check();
  try {
    if (!fd_) fd_ = open_();
    wire::set_patience(socket_, wire::Patience::endless);
    patient_ = true;
  } catch (const Failure&) {
    // Without a second connection the system's patience is all there is.
  }
}

void Lifeline::resumed() {
  if (!patient_) return;
  wire::set_patience(socket_, wire::Patience::normal);
  patient_ = false;
}

void Lifeline::check() const {
  char byte;
  const ssize_t got = recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const int why = got < 0 ? errno : ECONNRESET;
  throw std::system_error(why, std::generic_category(), "waiting for the GPU server");
}

}  // namespace shim
