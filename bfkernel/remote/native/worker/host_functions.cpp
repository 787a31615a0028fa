// SPDX-License-Identifier: BSD-3-Clause
#include "worker/host_functions.h"

#include <exception>
#include <utility>
#include <vector>

#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/host_call_messages.h"
#include "worker/log.h"
#include "worker/session.h"

namespace worker {

HostFunctions::HostFunctions(std::function<void()> lost) : lost_(std::move(lost)) {
  instance_ = this;
  in_use_ = false;
}

HostFunctions::~HostFunctions() {
  HostFunctions* self = this;
  instance_.compare_exchange_strong(self, nullptr);
}

bool HostFunctions::attach(wire::Fd channel) {
  if (in_use_.exchange(true)) return false;
  const std::lock_guard lock(turn_);
  channel_ = std::move(channel);
  return true;
}

void* HostFunctions::data(std::uint64_t token, Lifetime lifetime) {
  if (token == 0 || token >> 62 != 0) throw CudaError{CUDA_ERROR_INVALID_VALUE};
  return reinterpret_cast<void*>(token << 1 | (lifetime == Lifetime::kept ? 1 : 0));
}

void HostFunctions::run(void* data) { ask(data, CUDA_SUCCESS); }

void HostFunctions::run_callback(CUstream, CUresult status, void* data) { ask(data, status); }

void HostFunctions::ask(void* data, CUresult status) {
  const auto value = reinterpret_cast<std::uint64_t>(data);
  if (HostFunctions* functions = instance_) functions->ask_client(value >> 1, status, (value & 1) != 0);
}

// On a thread of the driver's, which goes on with the stream when this returns.
void HostFunctions::ask_client(std::uint64_t token, CUresult status, bool again) {
  const std::lock_guard lock(turn_);
  if (!channel_) return;
  try {
    if (prepare_)
      prepare_(token,
               [this](wire::Bytes bytes) { wire::write_all(channel_.get(), bytes.data(), bytes.size()); });
    std::vector<std::byte> frame(sizeof(wire::FrameHeader));
    wire::Encoder out(frame);
    out(wire::HostCall{token, static_cast<std::uint32_t>(status), static_cast<std::uint8_t>(again)});
    const wire::FrameHeader request{
        .size = static_cast<std::uint32_t>(frame.size() - sizeof(wire::FrameHeader)),
        .opcode = static_cast<std::uint16_t>(wire::HostCall::opcode),
        .flags = wire::kFlagWaiting,
        .sequence = ++sequence_};
    std::memcpy(frame.data(), &request, sizeof request);
    wire::write_all(channel_.get(), frame.data(), frame.size());
    wire::FrameHeader reply;
    if (!wire::read_exact(channel_.get(), &reply, sizeof reply))
      throw wire::Malformed("the client closed it");
    if (reply.opcode != request.opcode || reply.sequence != request.sequence || reply.size != 0)
      throw wire::Malformed("what came is no answer");
  } catch (const std::exception& error) {
    log_line("the channel for host functions ended: %s", error.what());
    channel_.reset();
    lost_();
  }
}

}  // namespace worker
