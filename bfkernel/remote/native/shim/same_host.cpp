// SPDX-License-Identifier: BSD-3-Clause
#include "shim/same_host.h"

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include "wire/codec.h"
#include "wire/unix_socket.h"

namespace shim::same_host {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);

}  // namespace

Transports wanted() {
  const char* value = std::getenv("BFKERNEL_TRANSPORT");
  const std::string_view word = value ? value : "";
  if (word.empty() || word == "auto") return Transports::any;
  if (word == "tcp") return Transports::tcp;
  if (word == "shared") return Transports::shared;
  throw std::runtime_error("BFKERNEL_TRANSPORT is '" + std::string(word) +
                           "'; set it to auto, tcp or shared");
}

wire::Fd reach(const wire::json::Value& local) {
  const std::string name = local["socket"].text();
  if (name.empty()) return {};
  wire::Fd line = wire::connect_locally(name);
  if (line && !wire::send_letter(line.get(), local["key"].text())) return {};
  return line;
}

wire::Segment receive_segment(int line) {
  const wire::Letter letter = wire::receive_letter(line, kPatience);
  if (!letter.descriptor) throw wire::Malformed("the GPU server sent no shared memory");
  wire::Segment segment(letter.descriptor.get());
  segment.keep_from_children();
  return segment;
}

}  // namespace shim::same_host
