// SPDX-License-Identifier: BSD-3-Clause
#include "worker/session.h"

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <span>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "wire/extent.h"
#include "wire/greeting.h"
#include "wire/host_call_messages.h"
#include "wire/shared_channel.h"
#include "worker/calls.h"
#include "worker/graphs.h"
#include "worker/hangup.h"
#include "worker/link.h"
#include "worker/log.h"

namespace worker {

#include "worker_dispatch.inc"

namespace {

std::vector<CUdevice> leased_devices(const DriverTable& driver, std::size_t wanted) {
  int count = 0;
  check(driver, call(driver.cuDeviceGetCount, &count), "cuDeviceGetCount");
  if (count < static_cast<int>(wanted)) {
    throw DriverError("the driver has " + std::to_string(count) + " GPUs, the lease " +
                      std::to_string(wanted) + ".");
  }
  std::vector<CUdevice> devices(wanted);
  for (std::size_t i = 0; i < wanted; ++i) {
    check(driver, call(driver.cuDeviceGet, &devices[i], static_cast<int>(i)), "cuDeviceGet");
  }
  return devices;
}

constexpr auto kGreetingTimeout = std::chrono::seconds(30);

// What a client on this machine may have page-locked: it is this machine's memory.
std::uint64_t most_host_bytes() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 2;
}

// Looking at a lease is no use of it: an idle one stays idle under the eyes of a monitor.
bool is_use(std::uint16_t opcode) {
  return opcode != static_cast<std::uint16_t>(wire::Opcode::LeaseReport) &&
         opcode != static_cast<std::uint16_t>(wire::Opcode::DeviceSnapshot);
}

}  // namespace

Session::Session(const Options& options, const DriverTable& driver, Ledger& ledger, StdoutCapture* capture)
    : options_(options),
      driver_(driver),
      ledger_(ledger),
      capture_(capture),
      devices_(leased_devices(driver, options.limits.size())),
      backing_(driver, devices_),
      nvml_(driver),
      host_blocks_(driver, most_host_bytes()),
      arrays_(ledger),
      downloads_(driver),
      host_functions_([this] { connection_->close(); }),
      sharing_(control_),
      control_(options.control_fd) {}

Session::~Session() {
  if (graphs_) graphs_->stop();
}

// ---- the greetings

void Session::greet() {
  std::vector<Window> rejected;
  control_.greet();
  for (unsigned offer = 0; offer < kWindowOffers; ++offer) {
    const Window window = reserve_window(driver_, options_.window_size, granularity(), offer);
    wire::send_greeting(options_.socket_fd,
                        {{"ok", true},
                         {"protocol", static_cast<int>(wire::kProtocolVersion)},
                         {"calls", wire::kSpecificationDigest},
                         {"lease", options_.lease},
                         {"join", control_.join_key()},
                         {"local", local_door_.offer()},
                         {"stripes", control_.join_key().empty() ? 0 : static_cast<int>(wire::kMostStripes)},
                         {"window_base", wire::hex(window.base)},
                         {"window_size", wire::hex(window.size)}},
                        kGreetingTimeout);
    const wire::json::Value answer = wire::receive_greeting(options_.socket_fd, kGreetingTimeout);
    const std::string verdict = answer["window"].text();
    // "none" comes from a client that only asks and will have no memory: it reserves nothing.
    if (verdict == "mapped" || verdict == "none") {
      // Only now, so that no offer is made twice by a driver that chooses for itself.
      for (const Window& other : rejected) free_window(driver_, other);
      connection_ = std::make_unique<Connection>(
          open_channel(answer["transport"].text() == "shared"),
          Connection::Waiting{.begins = [this] { ledger_.rest(); }, .lasts = [this] { note_work(); }});
      use_window(window);
      return;
    }
    if (verdict != "taken")
      throw wire::Malformed("the answer to a window is neither 'mapped', 'none' nor 'taken'");
    rejected.push_back(window);
  }
  throw std::runtime_error("the client could map none of the windows that were offered to it.");
}

std::unique_ptr<wire::Channel> Session::open_channel(bool shared) {
  if (!shared) return std::make_unique<wire::SocketChannel>(options_.socket_fd, Connection::kSilence);
  segment_.emplace(local_door_.admit());
  host_blocks_.add_staging(*segment_);
  auto channel = std::make_unique<wire::SharedChannel>(*segment_, wire::SharedChannel::Side::worker,
                                                       options_.socket_fd, Connection::kSilence);
  close_at_hangup(*channel);
  return channel;
}

void Session::use_window(const Window& window) {
  window_ = window;
  memory_ = std::make_unique<Memory>(backing_, ledger_, window.base, window.size, granularity());
  reclaimer_ = std::make_unique<Reclaimer>(*memory_, [this] { wait_for_gpu(); });
  graphs_ = std::make_unique<Graphs>(*this);
  host_functions_.before([this](std::uint64_t token, const HostFunctions::Send& send) {
    graphs_->slots().send_for_function(token, send);
  });
  reclaimer_->start();
  sharing_.use(*memory_);
  control_.start([this](const wire::json::Value& message, wire::Fd descriptor) {
    hear_agent(message, std::move(descriptor));
  });
  if (capture_ == nullptr) return;
  capture_->start([this](std::string_view text) {
    const wire::Bytes bytes = std::as_bytes(std::span(text));
    connection_->send({.opcode = wire::kOpcodeStdout}, std::span(&bytes, 1));
  });
}

void Session::hear_agent(const wire::json::Value& message, wire::Fd descriptor) {
  if (const std::string* reason = message["end"].string()) end(*reason);
  if (const std::string* role = message["role"].string()) return join(*role, std::move(descriptor));
  sharing_.receive(message, std::move(descriptor));
}

// The lease is over: the client hears why. A client that takes nothing is left to the agent's signal.
void Session::end(const std::string& reason) {
  log_line("the agent ends this worker: %s", reason.c_str());
  const wire::Bytes bytes = std::as_bytes(std::span(reason));
  try {
    connection_->send({.opcode = wire::kOpcodeFarewell}, std::span(&bytes, 1));
  } catch (const std::exception&) {
    // The client is gone as well.
  }
  _exit(0);
}

// A further connection of this client's, which the agent has checked.
void Session::join(const std::string& role, wire::Fd connection) {
  const int fd = connection.get();
  wire::tune_tcp(fd);
  // The client sends nothing before it has read this, so the channel is there when it is needed.
  if (role == wire::kHostFunctionsRole && host_functions_.attach(std::move(connection)))
    return wire::send_greeting(fd, {{"ok", true}}, kGreetingTimeout);
  if (role == wire::kLifelineRole && !lifeline_) {
    lifeline_ = std::move(connection);
    wire::send_greeting(fd, {{"ok", true}}, kGreetingTimeout);
    return end_after_hangup(fd);
  }
  if (role == wire::kStripeRole && connection_->add_stripe(std::move(connection)))
    return wire::send_greeting(fd, {{"ok", true}}, kGreetingTimeout);
  throw wire::Malformed("its role is unknown, or taken");
}

// ---- frames

void Session::serve() {
  Request request;
  while (connection_->next(request)) {
    if (is_use(request.opcode)) ledger_.count_call();
    try {
      execute(request);
    } catch (const CudaError& error) {
      answer(request, error.result);
    }
  }
  if (failed_) throw std::runtime_error("the session ended on an error beside its own thread.");
}

// What a lane cannot bear ends the session: its own thread finds the connection closed.
void Session::fail(const std::exception& error) {
  log_line("%s", error.what());
  failed_ = true;
  connection_->close();
}

void Session::execute(const Request& request) {
  bind(request.context);
  if (const Call call = call_of(request.opcode)) {
    call(*this, request);
  } else {
    execute_generated(request);
  }
}

void Session::execute_generated(const Request& request) {
  wire::Decoder in(connection_->rest());
  reply_.clear();
  wire::Encoder out(reply_);
  bool known = false;
  const CUresult result = dispatch_generated(*this, request.opcode, in, out, &known);
  if (!known) throw wire::Malformed("a frame has an opcode that does not exist");
  if (result != CUDA_SUCCESS) reply_.clear();
  answer(request, result, {reply_});
}

void Session::answer(const Request& request, CUresult result, std::initializer_list<wire::Bytes> payload) {
  if ((request.flags & wire::kFlagWaiting) == 0) {
    std::uint32_t none = CUDA_SUCCESS;
    if (result != CUDA_SUCCESS) deferred_.compare_exchange_strong(none, result);
    return;
  }
  deliver_results();
  const bool idle = (request.flags & wire::kFlagIdle) != 0 && result == CUDA_SUCCESS && all_is_done();
  const bool striped = (request.flags & wire::kFlagStripedReply) != 0 && connection_->has_stripes();
  const int flags = (idle ? wire::kFlagIdle : 0) | (striped ? wire::kFlagStriped : 0);
  reply(request, result, static_cast<std::uint16_t>(flags), payload);
}

void Session::reply(const Request& request, CUresult result, std::uint16_t flags,
                    std::span<const wire::Bytes> payload) {
  const wire::FrameHeader header{.opcode = request.opcode,
                                 .flags = flags,
                                 .sequence = request.sequence,
                                 .result = result,
                                 .context = deferred_.exchange(CUDA_SUCCESS)};
  connection_->send(header, payload);
}

// What an answer may tell the client to be over has brought its results.
void Session::deliver_results() {
  if (graphs_->slots().owes()) graphs_->slots().deliver(*connection_);
}

void Session::watch(const Request& request, const Watcher::Watch& watch) {
  const bool watched = (request.flags & wire::kFlagWaiting) != 0 && watcher_.has_room();
  if (!watched) return answer(request, CUDA_ERROR_NOT_READY);
  deliver_results();
  reply(request, CUDA_ERROR_NOT_READY, wire::kFlagWatch, {});
  watcher_.add(watch);
}

void Session::report(const Watcher::Watch& watch, CUresult result) {
  try {
    if (result == CUDA_SUCCESS) drain_stdout();
    deliver_results();
    reply({.opcode = wire::kOpcodeReady, .sequence = watch.sequence}, result, 0, {});
  } catch (const std::exception& error) {
    fail(error);
  }
}

void Session::aside(const Request& request, std::function<CUresult()> work) {
  detach(request, [this, request, work = std::move(work)] { answer(request, work()); });
}

void Session::later(std::function<void()> work) {
  lanes_.run([this, context = current_handle(), work = std::move(work)] {
    call(driver_.cuCtxSetCurrent, context);
    work();
  });
}

void Session::detach(const Request& request, std::function<void()> work) {
  lanes_.run([this, request, context = current_handle(), work = std::move(work)] {
    call(driver_.cuCtxSetCurrent, context);
    try {
      work();
    } catch (const CudaError& error) {
      answer(request, error.result);
    }
  });
}

void Session::drain_stdout() {
  if (capture_ != nullptr) capture_->drain();
}

// ---- names

void* Session::find(wire::Kind kind, std::uint64_t id) {
  if (kind == wire::Kind::context || kind == wire::Kind::green_context) {
    const bool green = kind == wire::Kind::green_context;
    const Context* context = find_context(id);
    if (context == nullptr || (green && !context->green)) throw CudaError{CUDA_ERROR_INVALID_CONTEXT};
    return green ? static_cast<void*>(context->green) : context->handle;
  }
  void* found = handles_.find(kind, id);
  if (found == nullptr) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
  return found;
}

void Session::adopt(wire::Kind kind, std::uint64_t id, void* handle) { adopt(kind, id, handle, 0, home()); }

void Session::adopt(wire::Kind kind, std::uint64_t id, void* handle, std::uint64_t owner,
                    std::uint64_t context) {
  if (id < wire::kFirstClientId || !handles_.add(id, {kind, handle, context, owner})) {
    throw wire::Malformed("a new object has an id that is taken");
  }
}

void Session::adopt_function(std::uint64_t id, void* handle, const CodeOwner& owner,
                             std::int64_t param_bytes) {
  if (!handles_.add(id, {wire::Kind::function, handle, owner.context, owner.id, param_bytes})) {
    throw wire::Malformed("a new function has an id that is taken");
  }
}

void Session::keep_layouts(std::uint64_t owner, const ParamLayouts& layouts) {
  if (layouts.empty()) return;
  const std::lock_guard lock(layouts_mutex_);
  layouts_[owner] = layouts;
}

ParamLayouts Session::layouts(std::uint64_t owner) {
  const std::lock_guard lock(layouts_mutex_);
  const auto found = layouts_.find(owner);
  return found != layouts_.end() ? found->second : ParamLayouts{};
}

void* Session::drop(wire::Kind kind, std::uint64_t id) {
  const Context* context = find_context(handles_.entry(kind, id).context);
  void* handle = handles_.drop(kind, id);
  if (handle == nullptr) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
  if (kind == wire::Kind::stream) {
    leave_stream(context, static_cast<CUstream>(handle));
    graphs_->end_stream(id);
    for (const auto& [name, context] : contexts_) context->uploads->forget(static_cast<CUstream>(handle));
  }
  if (kind == wire::Kind::module || kind == wire::Kind::library) end_code(id);
  return handle;
}

// A stream that the driver is about to destroy, with whatever it still has to do.
void Session::leave_stream(const Context* context, CUstream stream) {
  CUstreamCaptureStatus captures = CU_STREAM_CAPTURE_STATUS_NONE;
  if (graphs_->capturing()) {
    call(driver_.cuStreamIsCapturing, stream, &captures);
  } else {
    leavings_.any();  // forgets what is done; no capture would survive the question
  }
  if (context != nullptr && captures == CU_STREAM_CAPTURE_STATUS_NONE) leavings_.add(*context, stream);
}

// A module or library takes its functions and variables along, and a library its modules in all contexts.
void Session::end_code(std::uint64_t id) {
  std::vector<std::uint64_t> modules;
  handles_.drop_if([&](std::uint64_t owned, const Handles::Entry& entry) {
    if (entry.owner != id) return false;
    if (entry.kind == wire::Kind::module) modules.push_back(owned);
    return true;
  });
  memory_->drop_foreign(id);
  {
    const std::lock_guard lock(layouts_mutex_);
    layouts_.erase(id);
  }
  for (const std::uint64_t module : modules) end_code(module);
}

unsigned Session::ordinal(std::int32_t device) const {
  if (device < 0 || device >= static_cast<std::int32_t>(devices_.size()))
    throw CudaError{CUDA_ERROR_INVALID_DEVICE};
  return static_cast<unsigned>(device);
}

CUdevice Session::device(std::int32_t device) const { return devices_[ordinal(device)]; }

void Session::check_device(std::uint64_t address, std::uint64_t size) const {
  if (size != 0 && !memory_->contains(address, size)) throw CudaError{CUDA_ERROR_INVALID_VALUE};
}

}  // namespace worker
