// SPDX-License-Identifier: BSD-3-Clause
#include "shim/request.h"

#include "shim/mirrors.h"
#include "shim/shared_pages.h"
#include "shim/slabs.h"

namespace shim {

Request::Request(Opcode opcode, Context need) : opcode_(opcode), need_(need), context_(current_context()) {
  buffer_.swap(thread_state().scratch);
  buffer_.resize(sizeof(wire::FrameHeader));
}

Request::~Request() {
  // Keep the memory for the next request, but not that of a rare large one.
  if (buffer_.capacity() <= size_t{1} << 20) buffer_.swap(thread_state().scratch);
}

void Request::device(CUdevice device) { fields(static_cast<int32_t>(devices::lease_ordinal(device))); }

void Request::require_usable() const {
  if (need_ == Context::current) contexts::require_usable(context_);
}

std::span<std::byte> Request::seal(size_t tail) {
  require_usable();
  if (shared_pages::exposed.load(std::memory_order_relaxed)) [[unlikely]]
    shared_pages::before(opcode_);
  const size_t size = buffer_.size() - sizeof(wire::FrameHeader) + tail;
  require(size <= wire::kMaxPayload, CUDA_ERROR_INVALID_VALUE);
  wire::FrameHeader header;
  header.size = static_cast<uint32_t>(size);
  header.opcode = static_cast<uint16_t>(opcode_);
  header.context = context_ ? contexts::wire_id(context_) : 0;
  std::memcpy(buffer_.data(), &header, sizeof header);
  return buffer_;
}

uint64_t Request::post(wire::Bytes tail) {
  const std::span<std::byte> frame = seal(tail.size());
  return connection().transport().post(frame, tail);
}

void Request::send(Pending& pending) {
  const std::span<std::byte> frame = seal(0);
  const bool asks = slabs::resting.load(std::memory_order_relaxed) != 0;
  Transport& transport = connection().transport();
  const bool striped = pending.destination.size() >= wire::kStripedLeast && transport.has_stripes();
  const uint16_t flags = wire::kFlagWaiting | (asks ? wire::kFlagIdle : 0) |
                         (pending.watch ? wire::kFlagWatch : 0) | (striped ? wire::kFlagStripedReply : 0);
  std::memcpy(frame.data() + offsetof(wire::FrameHeader, flags), &flags, sizeof flags);
  transport.send(frame, pending);
}

CUresult Request::wait(Pending& pending) {
  send(pending);
  connection().transport().await(pending);
  contexts::note_fault(context_, pending.result);
  if (mirrors::any.load(std::memory_order_relaxed) && pending.result == CUDA_SUCCESS) [[unlikely]]
    mirrors::after(opcode_);
  return pending.result;
}

Reply Request::wait(Deferred deferred) {
  Pending pending;
  const CUresult result = wait(pending);
  if (result != CUDA_SUCCESS) throw Failure{result};
  if (deferred == Deferred::report) report_deferred();
  return Reply(std::move(pending.payload));
}

void report_deferred() {
  const CUresult earlier = connection().transport().take_deferred();
  if (earlier == CUDA_SUCCESS) return;
  contexts::note_fault(current_context(), earlier);
  throw Failure{earlier};
}

}  // namespace shim
