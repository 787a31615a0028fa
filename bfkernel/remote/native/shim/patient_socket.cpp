// SPDX-License-Identifier: BSD-3-Clause
#include "shim/patient_socket.h"

#include <system_error>

namespace shim {

// `parts` are consumed as they are written, so that a write can go on where it stopped.
void PatientSocket::write(std::span<iovec> parts) {
  while (true) {
    try {
      SocketChannel::write(parts);
      return lifeline_.resumed(fd());
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::resource_unavailable_try_again) throw;
      lifeline_.wait_on(fd());
    }
  }
}

}  // namespace shim
