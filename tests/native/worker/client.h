// SPDX-License-Identifier: BSD-3-Clause
// A worker process and a client that speaks to it frame by frame.
#pragma once

#include <cuda.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "check.h"
#include "ledger_file.h"
#include "wire/code_messages.h"
#include "wire/device_messages.h"
#include "wire/frame.h"
#include "wire/greeting.h"
#include "wire/handles.h"
#include "wire/memory_messages.h"
#include "wire/shared_channel.h"
#include "wire/socket.h"
#include "wire/unix_socket.h"

namespace test {

using namespace std::chrono_literals;

struct Reply {
  wire::FrameHeader header;
  std::vector<std::byte> payload;
  template <class M>
  M as() const {
    wire::Decoder in(payload);
    M message;
    in(message);
    in.end();
    return message;
  }
};

class Client {
 public:
  // `more`: further words on the worker's command line.
  Client(LedgerFile& ledger, unsigned slot, const std::vector<std::uint64_t>& limits,
         const std::vector<std::string>& more = {}) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(pipe(log_) == 0);
    worker_ = fork();
    if (worker_ == 0) {
      dup2(log_[1], STDERR_FILENO);
      close(ends[0]);
      exec(ends[1], ledger.fd(), slot, limits, more);
    }
    close(ends[1]);
    close(log_[1]);
    socket_ = ends[0];
    channel_ = std::make_unique<wire::SocketChannel>(socket_, 10s);
  }
  ~Client() {
    hang_up();
    kill(worker_, SIGKILL);
    wait_for_end();
    close(log_[0]);
  }

  wire::json::Value hear() { return wire::receive_greeting(socket_, 10s); }
  void say(const char* window) { wire::send_greeting(socket_, {{"window", window}}, 10s); }
  // The window that is offered, and the whole offer.
  wire::json::Value hear_window() {
    const auto offer = hear();
    CHECK(offer["ok"].truth());
    base = wire::parse_hex(offer["window_base"].text());
    size = wire::parse_hex(offer["window_size"].text());
    return offer;
  }
  void greet() {
    offered = hear_window();
    say("mapped");
  }
  // Greets, and goes on through shared memory.
  void greet_shared() {
    const auto offer = hear_window();
    line = wire::connect_locally(offer["local"]["socket"].text());
    CHECK(static_cast<bool>(line));
    CHECK(wire::send_letter(line.get(), offer["local"]["key"].text()));
    take_segment();
  }
  void say_shared() { wire::send_greeting(socket_, {{"window", "mapped"}, {"transport", "shared"}}, 10s); }
  void take_segment() {
    say_shared();
    segment.emplace(wire::receive_letter(line.get(), 10s).descriptor.get());
    channel_ =
        std::make_unique<wire::SharedChannel>(*segment, wire::SharedChannel::Side::client, socket_, 10s);
  }
  // Greets and makes the primary context of device 0 current.
  void start() {
    greet();
    retain();
  }
  void start_shared() {
    greet_shared();
    retain();
  }
  void retain() {
    CHECK_EQUAL(call(wire::PrimaryRetain{kContext, 0, 0}).header.result, 0u);
    context = kContext;
  }

  void send_raw(const void* data, std::size_t bytes) {
    iovec part{const_cast<void*>(data), bytes};
    channel_->write(std::span(&part, 1));
  }
  template <class Payload>
  std::uint32_t send(wire::Opcode opcode, bool waiting, const Payload& encode) {
    return send_flagged(opcode, waiting ? wire::kFlagWaiting : std::uint16_t{0}, encode);
  }
  template <class Payload>
  std::uint32_t send_flagged(wire::Opcode opcode, std::uint16_t flags, const Payload& encode) {
    std::vector<std::byte> payload;
    wire::Encoder out(payload);
    encode(out);
    const wire::FrameHeader header{static_cast<std::uint32_t>(payload.size()),
                                   static_cast<std::uint16_t>(opcode),
                                   flags,
                                   ++sequence_,
                                   0,
                                   context};
    send_raw(&header, sizeof header);
    send_raw(payload.data(), payload.size());
    return sequence_;
  }
  template <class M>
  std::uint32_t ask(const M& message) {
    return send(M::opcode, true, [&](wire::Encoder& out) { out(message); });
  }
  template <class M>
  void post(const M& message) {
    send(M::opcode, false, [&](wire::Encoder& out) { out(message); });
  }
  void take(void* data, std::size_t bytes) {
    auto* at = static_cast<std::byte*>(data);
    while (bytes > 0) {
      const std::optional<std::size_t> got = channel_->read(at, bytes);
      CHECK(got.has_value() && *got > 0);
      at += *got;
      bytes -= *got;
    }
  }
  Reply receive() {
    Reply reply;
    take(&reply.header, sizeof reply.header);
    reply.payload.resize(reply.header.size);
    take(reply.payload.data(), reply.payload.size());
    return reply;
  }
  template <class M>
  Reply call(const M& message) {
    const std::uint32_t sequence = ask(message);
    Reply reply = receive();
    CHECK_EQUAL(reply.header.sequence, sequence);
    return reply;
  }
  Reply call(wire::Opcode opcode, std::vector<std::uint64_t> words = {}) {
    send(opcode, true, [&](wire::Encoder& out) {
      for (std::uint64_t word : words) out(word);
    });
    return receive();
  }
  void post_words(wire::Opcode opcode, std::vector<std::uint64_t> words) {
    send(opcode, false, [&](wire::Encoder& out) {
      for (std::uint64_t word : words) out(word);
    });
  }

  // ---- short forms

  std::uint64_t allocate(std::uint64_t bytes) {
    const Reply reply = call(wire::MemAlloc{bytes});
    return reply.header.result == 0 ? reply.as<wire::MemAlloc::Reply>().address : 0;
  }
  wire::MemInfo::Reply info() { return call(wire::MemInfo{}).as<wire::MemInfo::Reply>(); }
  Reply load(std::uint64_t module, const char* text) {
    wire::ModuleLoad message;
    message.module = module;
    message.jit.error_log_size = 1024;
    message.code.bytes = std::as_bytes(std::span(text, std::strlen(text)));
    return call(message);
  }
  void launch(std::uint64_t function, std::uint64_t stream, std::uint32_t argument) {
    wire::Launch message;
    message.function = function;
    message.stream = stream;
    message.params = std::as_bytes(std::span(&argument, 1));
    post(message);
  }

  bool readable(std::chrono::milliseconds time) {
    pollfd one{socket_, POLLIN, 0};
    return poll(&one, 1, static_cast<int>(time.count())) == 1;
  }
  void hang_up() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }
  // The worker's exit status, or minus the signal that ended it; fails when it has not ended in time.
  int wait_for_end(std::chrono::seconds limit = 5s) {
    if (ended_) return status_;
    for (int i = 0; i < limit / 10ms; ++i, usleep(10000)) {
      int status = 0;
      if (waitpid(worker_, &status, WNOHANG) != worker_) continue;
      ended_ = true;
      return status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    fail(__FILE__, __LINE__, "the worker does not end");
  }
  std::string log() {
    std::string text(65536, '\0');
    const ssize_t bytes = read(log_[0], text.data(), text.size());
    text.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    return text;
  }
  pid_t pid() const { return worker_; }

  static constexpr std::uint64_t kContext = 5000;
  std::uint64_t context = 0;
  std::uint64_t base = 0, size = 0;
  wire::json::Value offered;
  wire::Fd line;  // to a worker with which memory is shared
  std::optional<wire::Segment> segment;

 private:
  [[noreturn]] static void exec(int socket, int ledger, unsigned slot,
                                const std::vector<std::uint64_t>& limits,
                                const std::vector<std::string>& more) {
    std::vector<std::string> words{std::getenv("BFKERNEL_TEST_WORKER"),
                                   "--socket-fd",
                                   std::to_string(socket),
                                   "--ledger-fd",
                                   std::to_string(ledger),
                                   "--slot",
                                   std::to_string(slot),
                                   "--driver",
                                   std::getenv("BFKERNEL_TEST_NULLDRIVER"),
                                   "--lease",
                                   "test"};
    for (const std::uint64_t limit : limits) words.insert(words.end(), {"--limit", std::to_string(limit)});
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execv(arguments[0], arguments.data());
    _exit(127);
  }

  pid_t worker_ = 0;
  int socket_ = -1;
  std::unique_ptr<wire::Channel> channel_;
  int log_[2] = {-1, -1};
  std::uint32_t sequence_ = 0;
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace test
