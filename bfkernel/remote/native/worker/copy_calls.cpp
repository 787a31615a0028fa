// SPDX-License-Identifier: BSD-3-Clause
// Copies between client and device. Upwards, bytes go from the sockets straight into pinned memory and on;
// downwards, from pinned memory straight into the sockets.
#include <algorithm>
#include <cstring>

#include "wire/extent.h"
#include "wire/memory_messages.h"
#include "worker/calls.h"
#include "worker/copy_sides.h"
#include "worker/graphs.h"
#include "worker/reached.h"

namespace worker {
namespace {

CUstream stream_of(Session& session, std::uint64_t id) {
  return session.handle<CUstream>(wire::Kind::stream, id);
}

// The fields of CopyToDevice before its bytes, whose number ends them.
constexpr std::size_t kCopyPrefix = 8 + 8 + 1 + 8;

CUresult upload(Session& session, std::uint64_t destination, CUstream stream, std::size_t size) {
  UploadPieces& pieces = *session.current().uploads;
  while (size > 0) {
    const UploadPieces::Room room = pieces.room(size);
    session.connection().read(room.data, room.size);
    const CUresult result =
        call(session.driver().cuMemcpyHtoDAsync_v2, destination, room.data, room.size, stream);
    if (result != CUDA_SUCCESS) return result;
    pieces.commit(room.size, stream);
    if (session.graphs().capturing()) pieces.seal();
    destination += room.size;
    size -= room.size;
  }
  return CUDA_SUCCESS;
}

void copy_to_device(Session& session, const wire::FrameHeader& request) {
  Connection& connection = session.connection();
  wire::Decoder in(connection.take(kCopyPrefix));
  const auto destination = in.take<std::uint64_t>();
  const CUstream stream = stream_of(session, in.take<std::uint64_t>());
  in.take<std::uint8_t>();
  const auto size = in.take<std::uint64_t>();
  if (size != connection.left()) throw wire::Malformed("a payload is longer or shorter than its fields");
  session.check_device(destination, size);
  session.answer(request, upload(session, destination, stream, size));
}

// Submits the copy with `submit` and answers with its bytes when it is done.
template <class Submit>
void download(Session& session, const wire::FrameHeader& request, std::size_t size, CUstream stream,
              Submit submit) {
  const std::shared_ptr<PinnedMemory> buffer = session.downloads().lend(size);
  const CUresult submitted = submit(buffer->data());
  if (submitted != CUDA_SUCCESS) {
    session.drain_stdout();
    return session.answer(request, submitted);
  }
  when_reached(session, request, stream, [&session, request, buffer, size](CUresult result) {
    if (result == CUDA_SUCCESS) {
      session.answer(request, result, {wire::Bytes(buffer->data(), size)});
    } else {
      session.answer(request, result);
    }
  });
}

void copy_to_host(Session& session, const wire::FrameHeader& request, const wire::CopyToHost& message) {
  if (message.size > wire::kMaxPayload) return session.answer(request, CUDA_ERROR_INVALID_VALUE);
  const CUstream stream = stream_of(session, message.stream);
  session.current();
  session.check_device(message.source, message.size);
  download(session, request, message.size, stream, [&](std::byte* to) {
    return message.size == 0 ? CUDA_SUCCESS
                             : call(session.driver().cuMemcpyDtoHAsync_v2, static_cast<void*>(to),
                                    message.source, static_cast<std::size_t>(message.size), stream);
  });
}

// ---- two and three dimensions

CUresult submit(Session& session, const CUDA_MEMCPY3D& copy, CUstream stream) {
  return call(session.driver().cuMemcpy3DAsync_v2, &copy, stream);
}

CUresult copy_3d_up(Session& session, const wire::Copy3D& message, CUstream stream) {
  check_side(session, message, destination(message));
  CUDA_MEMCPY3D copy = extent(message);
  set_side(session, copy, destination(message));
  copy.srcMemoryType = CU_MEMORYTYPE_HOST;
  copy.srcHost = message.bytes.data();
  copy.srcPitch = message.width_bytes;
  copy.srcHeight = message.height;
  // The frame's own memory is not pinned, so the driver has read it when the call returns.
  return submit(session, copy, stream);
}

CUresult copy_3d_across(Session& session, const wire::Copy3D& message, CUstream stream) {
  check_side(session, message, destination(message));
  check_side(session, message, source(message));
  CUDA_MEMCPY3D copy = extent(message);
  set_side(session, copy, destination(message));
  set_side(session, copy, source(message));
  return submit(session, copy, stream);
}

void copy_3d_down(Session& session, const wire::FrameHeader& request, const wire::Copy3D& message,
                  std::size_t size, CUstream stream) {
  check_side(session, message, source(message));
  if (size > wire::kMaxPayload) return session.answer(request, CUDA_ERROR_INVALID_VALUE);
  download(session, request, size, stream, [&](std::byte* to) {
    CUDA_MEMCPY3D copy = extent(message);
    set_side(session, copy, source(message));
    copy.dstMemoryType = CU_MEMORYTYPE_HOST;
    copy.dstHost = to;
    copy.dstPitch = message.width_bytes;
    copy.dstHeight = message.height;
    return size == 0 ? CUDA_SUCCESS : submit(session, copy, stream);
  });
}

void copy_3d(Session& session, const wire::FrameHeader& request, const wire::Copy3D& message) {
  session.current();
  const CUstream stream = stream_of(session, message.stream);
  const std::uint64_t size = wire::rows(message.depth, wire::rows(message.width_bytes, message.height));
  if (message.direction == wire::Direction::to_device && message.bytes.size() != size) {
    throw wire::Malformed("a copy does not bring the bytes that it says");
  }
  if (size == 0) return session.answer(request, CUDA_SUCCESS);
  switch (message.direction) {
    case wire::Direction::to_host:
      return copy_3d_down(session, request, message, size, stream);
    case wire::Direction::to_device:
      return session.answer(request, copy_3d_up(session, message, stream));
    case wire::Direction::on_device:
      return session.answer(request, copy_3d_across(session, message, stream));
  }
  throw wire::Malformed("a copy has a direction that does not exist");
}

}  // namespace

void add_copy_calls(CallTable& table) {
  table.set(wire::Opcode::CopyToDevice, &copy_to_device);
  table.serve<&copy_to_host>(wire::Opcode::CopyToHost);
  table.serve<&copy_3d>(wire::Opcode::Copy3D);
}

}  // namespace worker
