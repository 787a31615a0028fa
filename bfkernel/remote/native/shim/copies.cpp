// SPDX-License-Identifier: BSD-3-Clause
#include "shim/copies.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <span>

#include "shim/api.h"
#include "shim/capture.h"
#include "shim/copies_box.h"
#include "shim/drained.h"
#include "shim/host_functions.h"
#include "shim/host_memory.h"
#include "shim/launch.h"
#include "shim/memory.h"
#include "shim/mirrors.h"
#include "shim/request.h"
#include "shim/staging.h"
#include "shim/stripes.h"
#include "wire/memory_messages.h"

namespace shim::copies {
namespace {

constexpr size_t kChunksInFlight = 64;

CUdeviceptr address_of(const void* pointer) { return reinterpret_cast<CUdeviceptr>(pointer); }

// One chunk asked for; its bytes go straight to `destination`.
void request_chunk(Pending& pending, std::byte* destination, ContextObject* context,
                   const wire::CopyToHost& message) {
  pending.destination = {destination, message.size};
  Request request(Opcode::CopyToHost, Context::current);
  request.in_context(context);
  request.fields(message);
  request.send(pending);
}

// For who leaves without them: their replies are written to where these are. The last may not have been sent.
void await_rest(std::deque<Pending>& in_flight) {
  if (!in_flight.empty() && in_flight.back().sequence == 0) in_flight.pop_back();
  for (Pending& pending : in_flight) {
    try {
      connection().transport().await(pending);
    } catch (const Failure&) {
      // The connection is gone, and nothing comes any more.
    }
  }
}

// The bytes come with the replies, many of which can be on their way.
staging::Arrival request_all(std::span<std::byte> destination, uint64_t source, CUstream stream,
                             Order order) {
  stripes::before_copy(destination.size());
  const uint64_t stream_id = id_of(stream);
  ContextObject* context = context_of(stream);
  std::deque<Pending> in_flight;
  staging::Arrival arrival;
  const auto finish_first = [&] {
    connection().transport().await(in_flight.front());
    if (arrival.result == CUDA_SUCCESS) arrival.result = in_flight.front().result;
    in_flight.pop_front();
  };
  try {
    while (!destination.empty() && arrival.result == CUDA_SUCCESS) {
      const uint64_t step = std::min<uint64_t>(destination.size(), wire::kDownloadChunk);
      if (in_flight.size() == kChunksInFlight) finish_first();
      request_chunk(in_flight.emplace_back(), destination.data(), context,
                    {source, step, stream_id, static_cast<uint8_t>(order)});
      arrival.sequence = in_flight.back().sequence;
      destination = destination.subspan(step);
      source += step;
    }
    while (!in_flight.empty()) finish_first();
  } catch (...) {
    await_rest(in_flight);
    throw;
  }
  return arrival;
}

}  // namespace

// Page-locked memory is read when the stream comes to the copy. A function that runs in a stream may have to
// write it first: then what the stream was given before has to be over before the bytes are sent.
static void await_writers(const void* source, CUstream stream, Order order) {
  if (!host_functions::pending()) [[likely]]
    return;
  if (order == Order::async && host_memory::find(address_of(source))) api::cuStreamSynchronize(stream);
}

// Where the GPU can have the program's page-locked memory itself. Not beside a mirror of it, which the
// program sees changed after calls that wait; nor while a stream captures, when no event may be asked about.
static std::optional<host_blocks::Place> direct_place(const void* host, uint64_t size) {
  const auto place = host_memory::place(address_of(host), size);
  const bool apart = mirrors::any.load(std::memory_order_relaxed) || capture::in_flight();
  return apart ? std::nullopt : place;
}

// A copy between the device and page-locked memory that the worker has mapped too.
static void direct(wire::Direction direction, uint64_t device, host_blocks::Place place, uint64_t size,
                   CUstream stream, Order order) {
  const drained::Work work = drained::of(stream);
  host_blocks::copy(direction, device, stream, place, size);
  if (order == Order::async) return;
  drained::note(work, host_blocks::wait_until_done(stream));
  report_deferred();
}

void wait_where_apart(CUstream stream, Order order) {
  if (order == Order::async || !streams_apart.load(std::memory_order_relaxed) || capture::in_flight()) return;
  const CUresult result = api::cuStreamSynchronize(stream);
  require(result == CUDA_SUCCESS, result);
}

// The program may reuse its memory when the call returns, unless it is page-locked and the copy asynchronous:
// the bytes have been sent, queued or staged by then.
static void send(uint64_t destination, const void* source, uint64_t size, CUstream stream, Order order) {
  if (staging::serves(size))
    return staging::to_device(destination, {static_cast<const std::byte*>(source), size}, stream);
  stripes::before_copy(size);
  const uint64_t stream_id = id_of(stream);
  ContextObject* context = context_of(stream);
  const auto* bytes = static_cast<const std::byte*>(source);
  for (uint64_t done = 0; done < size;) {
    const uint64_t step = std::min(size - done, wire::kCopyChunk);
    Request request(Opcode::CopyToDevice, Context::current);
    request.in_context(context);
    request.fields(destination + done, stream_id, static_cast<uint8_t>(order),
                   step);  // CopyToDevice, its bytes follow
    request.post({bytes + done, step});
    done += step;
  }
}

void to_device(uint64_t destination, const void* source, uint64_t size, CUstream stream, Order order) {
  if (size == 0) return;
  require(source);
  memory::require_device(destination, size);
  if (const auto place = direct_place(source, size))
    return direct(wire::Direction::to_device, destination, *place, size, stream, order);
  await_writers(source, stream, order);
  send(destination, source, size, stream, order);
  wait_where_apart(stream, order);
}

void to_host(void* destination, uint64_t source, uint64_t size, CUstream stream, Order order) {
  if (size == 0) return;
  require(destination);
  memory::require_device(source, size);
  require_results(stream);
  if (const auto place = direct_place(destination, size))
    return direct(wire::Direction::to_host, source, *place, size, stream, order);
  const std::span bytes(static_cast<std::byte*>(destination), size);
  const drained::Work work = drained::of(stream);
  const staging::Arrival arrival = staging::serves(size) ? staging::to_host(bytes, source, stream)
                                                         : request_all(bytes, source, stream, order);
  contexts::note_fault(current_context(), arrival.result);
  require(arrival.result == CUDA_SUCCESS, arrival.result);
  drained::note(work, arrival.sequence);
  if (mirrors::any.load(std::memory_order_relaxed)) [[unlikely]]
    mirrors::after(Opcode::CopyToHost);
  report_deferred();
}

void on_device(uint64_t destination, uint64_t source, uint64_t size, CUstream stream) {
  if (size == 0) return;
  memory::require_device(destination, size);
  memory::require_device(source, size);
  api::cuMemcpyDtoDAsync_v2(destination, source, size, stream);
}

// With unified addressing a device address may stand where a host pointer is expected, and pinned host memory
// where a device address is. Any other host address there is an error, never followed.
static void require_visible(uint64_t device_side, uint64_t size) {
  require(size == 0 || memory::is_device(device_side) || host_memory::find(device_side).has_value(),
          CUDA_ERROR_INVALID_VALUE);
}

void unified(uint64_t destination, uint64_t source, uint64_t size, CUstream stream, Order order) {
  const bool to = memory::is_device(destination);
  const bool from = memory::is_device(source);
  if (capture::in_flight() && size > 0 && !(to && from)) [[unlikely]] {
    const Box box{{to, destination, size, size}, {from, source, size, size}, size, 1, 1};
    check(box);
    if (capture::copy(box, stream, order)) return;
  }
  if (to && from) return on_device(destination, source, size, stream);
  if (to) return to_device(destination, reinterpret_cast<const void*>(source), size, stream, order);
  if (from) return to_host(reinterpret_cast<void*>(destination), source, size, stream, order);
  // Host to host happens after what the stream was given before.
  api::cuStreamSynchronize(stream);
  std::memmove(reinterpret_cast<void*>(destination), reinterpret_cast<const void*>(source), size);
}

}  // namespace shim::copies

namespace shim::api {

using copies::Order;

CUresult cuMemcpy(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount) {
  copies::unified(dst, src, ByteCount, nullptr, Order::sync);
  return CUDA_SUCCESS;
}

CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream) {
  copies::unified(dst, src, ByteCount, hStream, Order::async);
  return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr dstDevice, const void* srcHost, size_t ByteCount) {
  copies::require_visible(dstDevice, ByteCount);
  copies::unified(dstDevice, copies::address_of(srcHost), ByteCount, nullptr, Order::sync);
  return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr dstDevice, const void* srcHost, size_t ByteCount,
                              CUstream hStream) {
  copies::require_visible(dstDevice, ByteCount);
  copies::unified(dstDevice, copies::address_of(srcHost), ByteCount, hStream, Order::async);
  return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoH_v2(void* dstHost, CUdeviceptr srcDevice, size_t ByteCount) {
  copies::require_visible(srcDevice, ByteCount);
  copies::unified(copies::address_of(dstHost), srcDevice, ByteCount, nullptr, Order::sync);
  return CUDA_SUCCESS;
}

CUresult cuMemcpyDtoHAsync_v2(void* dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream) {
  copies::require_visible(srcDevice, ByteCount);
  copies::unified(copies::address_of(dstHost), srcDevice, ByteCount, hStream, Order::async);
  return CUDA_SUCCESS;
}

}  // namespace shim::api
