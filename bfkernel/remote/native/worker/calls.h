// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "worker/session.h"

namespace worker {

// Executes one frame and answers it.
using Call = void (*)(Session&, const wire::FrameHeader&);

// The calls that are written by hand, by opcode; null for the generated ones and for opcodes that do not
// exist.
Call call_of(std::uint16_t opcode);

// ---- helpers for the files that define them. A handler takes the decoded message and either returns the
// result, or fills a reply and returns the result, or takes the request and sees to the answer itself.

template <class Reply>
std::vector<std::byte> encoded(const Reply& reply) {
  std::vector<std::byte> bytes;
  wire::Encoder out(bytes);
  out(reply);
  return bytes;
}

template <class Message>
Message decoded(Session& session) {
  wire::Decoder in(session.connection().rest());
  Message message;
  in(message);
  in.end();
  return message;
}

template <auto Handler>
struct Serve;

template <class Message, CUresult (*Handler)(Session&, const Message&)>
struct Serve<Handler> {
  static void call(Session& session, const wire::FrameHeader& request) {
    session.answer(request, Handler(session, decoded<Message>(session)));
  }
};

template <class Message, class Reply, CUresult (*Handler)(Session&, const Message&, Reply&)>
struct Serve<Handler> {
  static void call(Session& session, const wire::FrameHeader& request) {
    Reply reply;
    const CUresult result = Handler(session, decoded<Message>(session), reply);
    if (result == CUDA_SUCCESS) {
      session.answer(request, result, {encoded(reply)});
    } else {
      session.answer(request, result);
    }
  }
};

template <class Message, void (*Handler)(Session&, const wire::FrameHeader&, const Message&)>
struct Serve<Handler> {
  static void call(Session& session, const wire::FrameHeader& request) {
    Handler(session, request, decoded<Message>(session));
  }
};

// Whether an event or a stream (null: the default one) of the current context is done. Where it is, the
// driver is also asked to wait for it: that is when it prints what the device printed.
CUresult query_and_finish(Session& session, wire::Kind kind, void* handle);

// A context of the client's that the driver is about to make. Throws Malformed for an id that is taken.
std::unique_ptr<Context> new_context(Session& session, std::uint64_t id, std::int32_t device);

// ---- one function a file of calls, which enters what the file serves

class CallTable {
 public:
  void set(wire::Opcode opcode, Call call);
  template <auto Handler>
  void serve(wire::Opcode opcode) {
    set(opcode, &Serve<Handler>::call);
  }
  Call find(std::uint16_t opcode) const { return opcode < calls_.size() ? calls_[opcode] : nullptr; }

 private:
  std::vector<Call> calls_;
};

void add_snapshot_calls(CallTable& table);
void add_report_calls(CallTable& table);
void add_context_calls(CallTable& table);
void add_memory_calls(CallTable& table);
void add_array_calls(CallTable& table);
void add_copy_calls(CallTable& table);
void add_host_block_calls(CallTable& table);
void add_module_calls(CallTable& table);
void add_link_calls(CallTable& table);
void add_launch_calls(CallTable& table);
void add_stream_calls(CallTable& table);
void add_synchronise_calls(CallTable& table);
void add_graph_calls(CallTable& table);
void add_graph_exec_calls(CallTable& table);
void add_capture_calls(CallTable& table);
void add_host_function_calls(CallTable& table);
void add_ipc_calls(CallTable& table);
void add_green_calls(CallTable& table);

}  // namespace worker
