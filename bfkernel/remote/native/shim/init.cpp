// SPDX-License-Identifier: BSD-3-Clause
// cuInit. It does not wait for the grant: a program may start, and be told the number of its devices, in the
// queue.
#include "shim/api.h"
#include "shim/connection.h"
#include "shim/devices.h"
#include "shim/failure.h"
#include "shim/lease.h"
#include "shim/log.h"
#include "shim/process.h"

namespace shim::api {

CUresult cuInit(unsigned int Flags) {
  require(Flags == 0, CUDA_ERROR_INVALID_VALUE);
  const auto state = process::state.load();
  if (state == process::State::initialised) return CUDA_SUCCESS;
  require(state != process::State::orphan, CUDA_ERROR_NOT_INITIALIZED);
  const lease::File file = lease::read();
  if (file.state == "refused" || file.state == "ended" || file.state == "unreachable") {
    log::say_once((file.size.empty() ? "" : file.size + ": ") + file.message);
    return CUDA_ERROR_NO_DEVICE;
  }
  require(devices::count() > 0, CUDA_ERROR_NO_DEVICE);
  auto fresh = process::State::fresh;
  process::state.compare_exchange_strong(fresh, process::State::initialised);
  return CUDA_SUCCESS;
}

}  // namespace shim::api
