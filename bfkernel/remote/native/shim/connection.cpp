// SPDX-License-Identifier: BSD-3-Clause
#include "shim/connection.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>

#include "shim/failure.h"
#include "shim/lease.h"
#include "shim/log.h"
#include "shim/news.h"
#include "shim/patient_socket.h"
#include "shim/process.h"
#include "shim/same_host.h"
#include "shim/stripes.h"
#include "wire/greeting.h"
#include "wire/handles.h"
#include "wire/host_call_messages.h"
#include "wire/opcodes.h"
#include "wire/shared_channel.h"

namespace shim {
namespace {

using namespace std::chrono_literals;
constexpr auto kConnectTimeout = 10000ms;
constexpr auto kGreetingTimeout = 30000ms;  // the worker initialises the driver meanwhile
constexpr int kWindowOffers = 8;

// Never destroyed: other threads may still call while the process ends.
std::atomic<Connection*> current{nullptr};
std::mutex* making = new std::mutex;
std::atomic<uint64_t> last_id{wire::kFirstClientId};

bool reserve(const Window& window) {
  void* at = reinterpret_cast<void*>(window.base);
  void* got = mmap(at, window.size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got == at) return true;
  if (got != MAP_FAILED) munmap(got, window.size);  // kernels before 4.17 take the address for a hint
  return false;
}

std::string program_name() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  const std::string full(path, size > 0 ? static_cast<size_t>(size) : 0);
  return full.substr(full.rfind('/') + 1);
}

wire::Fd reach_worker(const wire::json::Value& offer, same_host::Transports wanted) {
  if (wanted == same_host::Transports::tcp) return {};
  wire::Fd line = same_host::reach(offer["local"]);
  if (!line && wanted == same_host::Transports::shared)
    throw std::runtime_error(
        "BFKERNEL_TRANSPORT is shared, but the GPU server is on another machine than this program, or shares "
        "no memory; set it to auto or tcp");
  return line;
}

// What there is over TCP alone.
void agree_on_sockets(Agreement& agreed, int fd, std::optional<unsigned> stripes,
                      const wire::json::Value& offer) {
  agreed.lifeline = std::make_shared<Lifeline>(fd, [] { return join(wire::kLifelineRole); });
  // A server of another version may know none.
  const auto most =
      static_cast<unsigned>(std::clamp<int64_t>(offer["stripes"].integer(), 0, wire::kMostStripes));
  agreed.stripes = std::min(stripes ? *stripes : stripes::useful(fd), most);
}

Agreement agree(int fd, same_host::Transports wanted, std::optional<unsigned> stripes) {
  for (int offers = 0; offers <= kWindowOffers; ++offers) {
    const wire::json::Value offer = wire::receive_greeting(fd, kGreetingTimeout);
    check_offer(offer);
    const Window window{wire::parse_hex(offer["window_base"].text()),
                        wire::parse_hex(offer["window_size"].text())};
    if (!reserve(window)) {
      wire::send_greeting(fd, {{"window", "taken"}}, kGreetingTimeout);
      continue;
    }
    Agreement agreed{.window = window, .join_key = offer["join"].text(), .line = reach_worker(offer, wanted)};
    wire::send_greeting(fd, {{"window", "mapped"}, {"transport", agreed.line ? "shared" : "tcp"}},
                        kGreetingTimeout);
    if (agreed.line)
      agreed.segment.emplace(same_host::receive_segment(agreed.line.get()));
    else
      agree_on_sockets(agreed, fd, stripes, offer);
    return agreed;
  }
  throw std::runtime_error("no address range is free both here and on the GPU server");
}

std::unique_ptr<wire::Channel> open_channel(const Agreement& agreed, int socket) {
  if (agreed.segment)
    return std::make_unique<wire::SharedChannel>(*agreed.segment, wire::SharedChannel::Side::client, socket);
  return std::make_unique<PatientSocket>(socket, agreed.lifeline);
}

void report_end(const lease::File& connected_with, const Transport::Ending& ending) {
  if (ending.over) return lease::tell(connected_with, lease::over(ending.why));
  const std::optional<lease::File> now = lease::read_again(connected_with.path);
  if (now && now->state == "ended") return lease::tell(*now, lease::over(now->message));
  lease::tell(connected_with,
              "the connection to the GPU server is lost (" + ending.why + "); restart the kernel or program");
}

Connection* make() {
  const lease::File file = lease::wait_for_grant();
  try {
    const same_host::Transports wanted = same_host::wanted();
    const std::optional<unsigned> stripes = stripes::wanted();
    wire::Fd fd = greet_agent(file);
    Agreement agreed = agree(fd.get(), wanted, stripes);
    std::unique_ptr<wire::Channel> channel = open_channel(agreed, fd.get());
    auto* made = new Connection(
        std::make_unique<Transport>(std::move(fd), std::move(channel),
                                    [file](const Transport::Ending& ending) { report_end(file, ending); }),
        std::move(agreed));
    news::follow(file, made->transport());
    return made;
  } catch (const std::exception& error) {
    lease::tell(file, error.what());
    throw Failure{CUDA_ERROR_DEVICE_UNAVAILABLE};
  }
}

// In the child of a fork. Locks may be held by threads that do not exist here, so state is replaced, not
// cleaned up.
void after_fork_in_child() {
  if (Connection* inherited = current.load()) {
    process::state = process::State::orphan;
    process::watched &= ~process::news;
    inherited->abandon_after_fork();
  } else if (process::state != process::State::orphan) {
    process::state = process::State::fresh;
    making = new std::mutex;
  }
}

const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

}  // namespace

wire::Fd greet_agent(const lease::File& file, const wire::json::Object& more) {
  wire::Fd fd = wire::connect_tcp(file.agent, kConnectTimeout);
  const int protocol = wire::kProtocolVersion;
  wire::json::Object greeting{{"protocol", protocol},
                              {"token", file.token},
                              {"pid", static_cast<int64_t>(getpid())},
                              {"program", program_name()}};
  greeting.insert(more.begin(), more.end());
  wire::send_greeting(fd.get(), greeting, kGreetingTimeout);
  return fd;
}

void check_offer(const wire::json::Value& offer) {
  if (!offer["ok"].truth())
    throw std::runtime_error(offer["message"].text("the GPU server refused the connection"));
  const std::string calls = offer["calls"].text(wire::kSpecificationDigest);
  if (calls != wire::kSpecificationDigest)
    throw std::runtime_error(
        "bfkernel on the GPU server is another version than here: install the same one on both");
}

Connection* connected() { return current.load(std::memory_order_acquire); }

Connection& connection() {
  if (Connection* existing = connected()) return *existing;
  const std::lock_guard lock(*making);
  if (Connection* existing = connected()) return *existing;
  Connection* made = make();
  current.store(made, std::memory_order_release);
  return *made;
}

wire::Fd greet_worker(const Connection& first, std::string_view role) {
  wire::Fd fd = greet_agent(lease::read(), {{"join", first.join_key()}, {"role", std::string(role)}});
  const wire::json::Value answer = wire::receive_greeting(fd.get(), kGreetingTimeout);
  if (!answer["ok"].truth())
    throw std::runtime_error(answer["message"].text("the GPU server refused a further connection"));
  return fd;
}

wire::Fd join(std::string_view role) {
  const Connection& first = connection();
  require(!first.join_key().empty(), CUDA_ERROR_NOT_SUPPORTED);
  const lease::File file = lease::read();
  try {
    return greet_worker(first, role);
  } catch (const std::exception& error) {
    lease::tell(file, error.what());
    throw Failure{CUDA_ERROR_DEVICE_UNAVAILABLE};
  }
}

uint64_t next_id() { return last_id.fetch_add(1, std::memory_order_relaxed); }

}  // namespace shim
