// SPDX-License-Identifier: BSD-3-Clause
#include "shim/host_functions.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>

#include "shim/api.h"
#include "shim/background.h"
#include "shim/capture.h"
#include "shim/entry.h"
#include "shim/host_slots.h"
#include "shim/request.h"
#include "shim/shared_pages.h"
#include "wire/frame.h"
#include "wire/host_call_messages.h"

namespace shim::host_functions {
namespace {

struct Entry {
  CUhostFn function = nullptr;
  CUstreamCallback callback = nullptr;
  CUstream stream = nullptr;
  void* user = nullptr;
  Lifetime lifetime = Lifetime::once;
};

// Never destroyed: the thread may still serve while the process ends.
std::mutex& mutex = *new std::mutex;
std::map<uint64_t, Entry>& entries = *new std::map<uint64_t, Entry>;
uint64_t last_token = 0;
std::mutex& opening = *new std::mutex;
std::atomic<int> channel{-1};
std::atomic<int> outstanding{0};  // functions of Lifetime::once that have not run to their end
std::atomic<bool> process_ends{false};
thread_local bool serving = false;
std::atomic<pid_t> serving_thread{0};

std::optional<Entry> take(const wire::HostCall& call) {
  const std::lock_guard lock(mutex);
  const auto found = entries.find(call.token);
  if (found == entries.end()) return std::nullopt;
  const Entry entry = found->second;
  if (entry.lifetime == Lifetime::once && call.again == 0) entries.erase(found);
  return entry;
}

bool next(int fd, wire::FrameHeader& header, wire::HostCall& call) {
  if (!wire::read_exact(fd, &header, sizeof header)) return false;
  // What the function may read of a graph's results comes ahead of it.
  while (header.opcode == wire::kOpcodeHostWrite) {
    if (header.size > wire::kCopyChunk + 1024) return false;
    std::vector<std::byte> write(header.size);
    if (!wire::read_exact(fd, write.data(), write.size())) return false;
    host_slots::receive(write);
    if (!wire::read_exact(fd, &header, sizeof header)) return false;
  }
  std::vector<std::byte> payload(std::min<size_t>(header.size, 64));
  if (header.opcode != static_cast<uint16_t>(wire::HostCall::opcode) || payload.size() != header.size ||
      !wire::read_exact(fd, payload.data(), payload.size()))
    return false;
  wire::Decoder in(payload);
  in(call);
  in.end();
  return true;
}

bool answer(int fd, wire::FrameHeader header) {
  header.size = 0;
  wire::write_all(fd, &header, sizeof header);
  return true;
}

// A connection that broke is shut; the worker then ends this program's session, which says so.
template <class Step>
bool or_close(int fd, Step step) {
  try {
    if (step()) return true;
  } catch (const Failure&) {
    // As below.
  } catch (const std::exception&) {
    // Told by whoever finds the main connection closed.
  }
  shutdown(fd, SHUT_RDWR);
  return false;
}

void run(const Entry& entry, CUresult status) {
  if (entry.callback)
    entry.callback(entry.stream, status, entry.user);
  else
    entry.function(entry.user);
}

// What the function wrote to memory that the GPU shares is for what comes next in the stream.
void hand_over_pages() {
  if (!shared_pages::exposed.load(std::memory_order_relaxed)) return;
  try {
    shared_pages::hand_over();
  } catch (const Failure&) {
    // The program's next call tells of it.
  }
}

// Threads of ours block all signals; what the program's functions do wrong, and pages that they touch and
// that are not here, are told by signals that may not be blocked.
void let_faults_through() {
  sigset_t faults;
  sigemptyset(&faults);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigaddset(&faults, fault);
  pthread_sigmask(SIG_UNBLOCK, &faults, nullptr);
}

void serve(int fd) {
  pthread_setname_np(pthread_self(), "bfkernel-host");
  let_faults_through();
  serving = true;
  serving_thread = gettid();
  wire::FrameHeader header;
  wire::HostCall call;
  while (or_close(fd, [&] { return next(fd, header, call); })) {
    const auto entry = take(call);
    if (entry) run(*entry, static_cast<CUresult>(call.status));
    if (!or_close(fd, [&] { return hand_over_pages(), host_slots::host_function_ran(call.token), true; }))
      return;
    if (entry && entry->lifetime == Lifetime::once && call.again == 0) --outstanding;
    if (!or_close(fd, [&] { return answer(fd, header); })) return;
  }
}

void start_serving(int fd) {
  const bool started = start_background(
      [](void* argument) -> void* {
        serve(static_cast<int>(reinterpret_cast<intptr_t>(argument)));
        return nullptr;
      },
      reinterpret_cast<void*>(static_cast<intptr_t>(fd)));
  require(started, CUDA_ERROR_OUT_OF_MEMORY);
}

void open() {
  if (channel >= 0) return;
  const std::lock_guard lock(opening);
  if (channel >= 0) return;
  const int fd = join(wire::kHostFunctionsRole).release();
  start_serving(fd);
  std::atexit([] { process_ends = true; });
  channel = fd;
  process::watched |= process::host_functions;
}

uint64_t add(const Entry& entry) {
  open();
  if (entry.lifetime == Lifetime::once) ++outstanding;
  const std::lock_guard lock(mutex);
  entries.emplace(++last_token, entry);
  return last_token;
}

// The child has no such thread; the worker must see the connection end with the parent.
const int fork_handler = pthread_atfork(nullptr, nullptr, [] {
  if (const int fd = channel.exchange(-1); fd >= 0) close(fd);
  serving_thread = 0;
});

}  // namespace

uint64_t remember(CUhostFn function, void* user, Lifetime lifetime) {
  require(function != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add({.function = function, .user = user, .lifetime = lifetime});
}

uint64_t remember(CUstreamCallback callback, CUstream stream, void* user) {
  require(callback != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add({.callback = callback, .stream = stream, .user = user});
}

Function find(uint64_t token) {
  const std::lock_guard lock(mutex);
  const auto found = entries.find(token);
  return found == entries.end() ? Function{} : Function{found->second.function, found->second.user};
}

void forget(uint64_t token) {
  const std::lock_guard lock(mutex);
  entries.erase(token);
}

void settle(ContextObject* context) {
  // At the end of the process what the GPU waits for may never return, such as a function of an interpreter
  // that is gone.
  if (channel < 0 || process_ends || !contexts::usable(context)) return;
  Request request(Opcode::cuCtxSynchronize, Context::any);
  request.in_context(context);
  Pending pending;
  request.wait(pending);
}

bool pending() { return outstanding.load(std::memory_order_relaxed) > 0; }

pid_t thread() { return serving_thread.load(std::memory_order_relaxed); }

bool running_here() { return serving; }

}  // namespace shim::host_functions

namespace shim::api {

CUresult cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void* userData) {
  using host_functions::Lifetime;
  const uint64_t stream = id_of(hStream);
  // In a stream that captures it becomes a node of a graph.
  const bool captured = capture::in_flight() && capture::is_capturing(hStream);
  Request request(Opcode::LaunchHostFunction, Context::any);
  request.in_context(context_of(hStream));
  request.fields(wire::LaunchHostFunction{
      stream, host_functions::remember(fn, userData, captured ? Lifetime::kept : Lifetime::once)});
  request.post();
  return CUDA_SUCCESS;
}

// How the driver is to wait for the function is its own affair: here it always waits without spinning.
CUresult cuLaunchHostFunc_v2(CUstream hStream, CUhostFn fn, void* userData, unsigned int) {
  return api::cuLaunchHostFunc(hStream, fn, userData);
}

CUresult cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void* userData,
                             unsigned int flags) {
  require(flags == 0, CUDA_ERROR_INVALID_VALUE);
  const uint64_t stream = id_of(hStream);
  Request request(Opcode::AddStreamCallback, Context::any);
  request.in_context(context_of(hStream));
  request.fields(wire::AddStreamCallback{stream, host_functions::remember(callback, hStream, userData)});
  request.post();
  return CUDA_SUCCESS;
}

}  // namespace shim::api
