// SPDX-License-Identifier: BSD-3-Clause
// One call on its way to the worker.
#pragma once

#include <cstring>
#include <string_view>
#include <vector>

#include "shim/connection.h"
#include "shim/contexts.h"
#include "shim/devices.h"
#include "shim/failure.h"
#include "shim/handles.h"
#include "shim/thread.h"
#include "wire/codec.h"
#include "wire/extent.h"

namespace shim {

using wire::dimensions;
using wire::Opcode;
using wire::pitched;
using wire::rows;

enum class Context { current, any };  // current: the call fails where no context is

// Whether an earlier asynchronous error is returned from this call, or (where this call makes something that
// the program must learn of) from a later one.
enum class Deferred { report, keep };

class Reply {
 public:
  explicit Reply(std::vector<std::byte> payload) : payload_(std::move(payload)) {}
  wire::Decoder decoder() const { return wire::Decoder(payload_); }
  wire::Bytes bytes() const { return payload_; }

 private:
  std::vector<std::byte> payload_;
};

class Request {
 public:
  Request(Opcode opcode, Context need);
  ~Request();
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  template <class... T>
  void fields(const T&... values) {
    wire::Encoder out(buffer_);
    out(values...);
  }
  void raw(const void* data, size_t size) { wire::Encoder(buffer_).raw(data, size); }
  void elements(const void* data, size_t size) {
    require(data || size == 0, CUDA_ERROR_INVALID_VALUE);
    raw(data, size);
  }
  template <class H>
  void handle(H handle) {
    const uint64_t id = id_of(handle);
    if (!context_) context_ = context_of(handle);
    fields(id);
  }
  void device(CUdevice device);
  void in_context(ContextObject* context) { context_ = context; }

  // Throws Failure where the call needs a context, and that is none, has ended, or is broken.
  void require_usable() const;

  // Sent; errors come later. Returns its number, as Transport counts.
  uint64_t post(wire::Bytes tail = {});
  // Sent and answered. Throws Failure for an error, and for an earlier asynchronous one.
  Reply wait(Deferred deferred = Deferred::report);
  // The same, but hands out the result: for replies that carry something on failure too.
  CUresult wait(Pending& pending);
  // In two steps, so that several can be on their way at once.
  void send(Pending& pending);

 private:
  std::span<std::byte> seal(size_t tail);

  Opcode opcode_;
  Context need_;
  ContextObject* context_;
  std::vector<std::byte> buffer_;
};

// Reports an asynchronous error that came with an earlier reply.
void report_deferred();

template <class M>
void post(const M& message, Context need = Context::any) {
  Request request(M::opcode, need);
  request.fields(message);
  request.post();
}

// A message without a reply worth reading.
template <class M>
void call_plain(const M& message, Context need = Context::any, Deferred deferred = Deferred::report) {
  Request request(M::opcode, need);
  request.fields(message);
  request.wait(deferred);
}

template <class M>
typename M::Reply call(const M& message, Context need = Context::any, Deferred deferred = Deferred::report) {
  Request request(M::opcode, need);
  request.fields(message);
  const Reply reply = request.wait(deferred);
  wire::Decoder in = reply.decoder();
  auto out = in.take<typename M::Reply>();
  in.end();
  return out;
}

template <class T>
void take_out(T* out, wire::Decoder& in) {
  T value;
  std::memcpy(&value, in.raw(sizeof value).data(), sizeof value);
  if (out) *out = value;
}

}  // namespace shim
