// SPDX-License-Identifier: BSD-3-Clause
// The frame: what both ends of a data connection send (docs/reference/protocol.md, 2.2).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace wire {

static_assert(std::endian::native == std::endian::little,
              "the wire is little-endian and so are all machines CUDA runs on");

inline constexpr uint32_t kProtocolVersion = 1;
inline constexpr uint64_t kMaxPayload = (uint64_t{1} << 30) + (uint64_t{64} << 10);
// Copies are split into frames of at most this many bytes. To the host they are shorter: the worker sends a
// chunk when the GPU has copied all of it, and had better find it in its cache.
inline constexpr uint64_t kCopyChunk = uint64_t{16} << 20;
inline constexpr uint64_t kDownloadChunk = uint64_t{1} << 20;

inline constexpr uint16_t kFlagWaiting = 1;
// Request: whether the GPUs are idle is asked as well. Reply: they are, so that all that came before is done.
inline constexpr uint16_t kFlagIdle = 2;
// Request: whether an event or stream is done is asked, and if it is not, the sender wants to hear of it.
// Reply: it is not, and a frame of kOpcodeReady will tell.
inline constexpr uint16_t kFlagWatch = 4;
// The payload is not behind this header but on the stripes (stripes.h), which keep the order of such frames.
inline constexpr uint16_t kFlagStriped = 8;
// Request: the reply may be striped.
inline constexpr uint16_t kFlagStripedReply = 16;
inline constexpr uint16_t kOpcodeStdout = 1;  // worker → client, unasked: bytes that the device printed
inline constexpr uint16_t kOpcodeHostWrite =
    2;  // worker → client, unasked: a HostWrite, what a graph copied to the client's memory
inline constexpr uint16_t kOpcodeFarewell =
    3;  // worker → client, unasked and last: why the worker ends, a sentence in UTF-8
inline constexpr uint16_t kOpcodeReady =
    4;  // worker → client, unasked: what the query of this sequence number asked about is done, or has failed
inline constexpr uint32_t kMostFarewell = 4096;  // bytes

struct FrameHeader {
  uint32_t size = 0;  // payload bytes
  uint16_t opcode = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  uint32_t result = 0;   // in a reply: CUresult
  uint64_t context = 0;  // request: id of the caller's current context. Reply: first deferred error, or 0
};
static_assert(sizeof(FrameHeader) == 24);

}  // namespace wire
