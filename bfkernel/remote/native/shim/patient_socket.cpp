// SPDX-License-Identifier: BSD-3-Clause
#include "shim/patient_socket.h"

namespace shim {

void PatientSocket::write(std::span<iovec> parts) {
  lifeline_->patiently([&] { SocketChannel::write(parts); });
}

}  // namespace shim
