// SPDX-License-Identifier: BSD-3-Clause
#include "shim/monitor.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <mutex>

#include "shim/connection.h"
#include "shim/entry.h"
#include "shim/request.h"
#include "shim/slabs.h"
#include "wire/device_messages.h"
#include "wire/greeting.h"

namespace shim {
namespace {

constexpr auto kGreetingTimeout = std::chrono::seconds(30);
constexpr timeval kReplyTimeout{10, 0};  // a monitor may fail, but must not hang
constexpr uint32_t kMostReply = 16 << 20;

// A data connection that only asks. One question at a time.
class Line {
 public:
  explicit Line(const lease::File& lease) : fd_(greet_agent(lease)) {
    check_offer(wire::receive_greeting(fd_.get(), kGreetingTimeout));
    wire::send_greeting(fd_.get(), {{"window", "none"}}, kGreetingTimeout);
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kReplyTimeout, sizeof kReplyTimeout);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &kReplyTimeout, sizeof kReplyTimeout);
  }

  std::vector<std::byte> ask(uint16_t opcode, wire::Bytes payload) {
    wire::FrameHeader header;
    header.size = static_cast<uint32_t>(payload.size());
    header.opcode = opcode;
    header.flags = wire::kFlagWaiting;
    header.sequence = ++sequence_;
    iovec parts[] = {{&header, sizeof header}, {const_cast<std::byte*>(payload.data()), payload.size()}};
    wire::write_all(fd_.get(), parts);
    wire::FrameHeader reply;
    if (!wire::read_exact(fd_.get(), &reply, sizeof reply)) throw wire::Malformed("the connection has ended");
    if (reply.sequence != sequence_ || reply.size > kMostReply)
      throw wire::Malformed("the server answered what nobody asked");
    std::vector<std::byte> body(reply.size);
    wire::read_exact(fd_.get(), body.data(), body.size());
    require(reply.result == CUDA_SUCCESS, static_cast<CUresult>(reply.result));
    return body;
  }

 private:
  wire::Fd fd_;
  uint32_t sequence_ = 0;
};

// Never destroyed: a monitor may ask until the very end of the process.
std::mutex* line_mutex = new std::mutex;
std::unique_ptr<Line>& line = *new std::unique_ptr<Line>;

// The child asks over a connection of its own. The mutex may be held by a thread that does not exist here.
void after_fork_in_child() {
  line_mutex = new std::mutex;
  line.reset();
}

const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

bool granted(const lease::File& file) {
  if (file.state == "granted") return true;
  const std::string why = file.message.empty() ? "the GPU is not granted yet" : file.message;
  log::say_once(file.size.empty() ? why : file.size + ": " + why);
  return false;
}

std::vector<std::byte> ask_over_line(uint16_t opcode, wire::Bytes payload) {
  const std::lock_guard lock(*line_mutex);
  // A connection from before may have ended with its server or its lease: then a new one tells.
  for (bool fresh = !line;; fresh = true) {
    try {
      if (!line) {
        const lease::File file = lease::read();
        require(granted(file), CUDA_ERROR_NO_DEVICE);
        line = std::make_unique<Line>(file);
      }
      return line->ask(opcode, payload);
    } catch (const std::exception& error) {
      line.reset();
      if (!fresh) continue;
      log::say_once(std::string("NVML: ") + error.what());
      throw Failure{CUDA_ERROR_DEVICE_UNAVAILABLE};
    }
  }
}

int gpus() {
  int count = 0;
  guarded("NVML", [&] {
    const lease::File file = lease::read();
    if (granted(file)) count = file.gpus;
    return CUDA_SUCCESS;
  });
  return count;
}

// The worker does not know what of its grants is in use.
wire::LeaseReport with_unused(wire::Bytes payload) {
  auto message = wire::Decoder(payload).take<wire::LeaseReport>();
  message.unused.clear();
  for (int device = 0; device < gpus(); ++device) message.unused.push_back(slabs::unused(device));
  return message;
}

std::vector<std::byte> ask_over_connection(uint16_t opcode, wire::Bytes payload) {
  Request request(static_cast<Opcode>(opcode), Context::any);
  request.in_context(nullptr);
  if (static_cast<Opcode>(opcode) == Opcode::LeaseReport)
    request.fields(with_unused(payload));
  else
    request.raw(payload.data(), payload.size());
  const Reply reply = request.wait(Deferred::keep);
  return {reply.bytes().begin(), reply.bytes().end()};
}

int ask(uint16_t opcode, const void* payload, size_t size, void (*take)(void*, const void*, size_t),
        void* self) {
  return guarded("NVML", [&] {
    const wire::Bytes bytes(static_cast<const std::byte*>(payload), size);
    const bool ours = connected() && process::state != process::State::orphan;
    const std::vector<std::byte> reply =
        ours ? ask_over_connection(opcode, bytes) : ask_over_line(opcode, bytes);
    take(self, reply.data(), reply.size());
    return CUDA_SUCCESS;
  });
}

void close() {
  const std::lock_guard lock(*line_mutex);
  line.reset();
}

constexpr BfkernelMonitor kMonitor{gpus, ask, close};

}  // namespace
}  // namespace shim

extern "C" BFKERNEL_EXPORT const BfkernelMonitor* bfkernel_monitor() { return &shim::kMonitor; }
