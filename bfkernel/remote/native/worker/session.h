// SPDX-License-Identifier: BSD-3-Clause
// The worker: one process for one client process. It reads the client's calls from the data connection,
// executes them on the driver and keeps the client within its lease. docs/explanation/worker.md has the
// whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "wire/codec.h"
#include "wire/frame.h"
#include "wire/handles.h"
#include "worker/arrays.h"
#include "worker/backing.h"
#include "worker/card_memory.h"
#include "worker/code_cache.h"
#include "worker/connection.h"
#include "worker/control.h"
#include "worker/device_resources.h"
#include "worker/driver.h"
#include "worker/handles.h"
#include "worker/host_blocks.h"
#include "worker/host_functions.h"
#include "worker/lanes.h"
#include "worker/leavings.h"
#include "worker/ledger.h"
#include "worker/local_door.h"
#include "worker/memory.h"
#include "worker/options.h"
#include "worker/ptx_params.h"
#include "worker/reclaimer.h"
#include "worker/sharing.h"
#include "worker/staging.h"
#include "worker/stdout_capture.h"
#include "worker/watcher.h"
#include "worker/window.h"

namespace worker {

class Graphs;
struct Link;

// What holds kernels: a module, whose functions end with its context, or a library, which belongs to none.
struct CodeOwner {
  std::uint64_t id = 0;       // the client's
  std::uint64_t context = 0;  // the client's; 0 for a library
  CUmodule module = nullptr;
  CUlibrary library = nullptr;
};

// Thrown by whoever finds that a call cannot be executed; it becomes the call's result.
struct CudaError {
  CUresult result;
};

// One context of the client's. It lives as long as its id.
struct Context {
  std::uint64_t id = 0;
  // The context with which ends what is made in this one: itself, or of a green context the primary one.
  std::uint64_t home = 0;
  CUgreenCtx green = nullptr;  // null: an ordinary context
  CUcontext handle = nullptr;
  unsigned device = 0;
  bool primary = false;
  std::uint64_t cost = 0;                 // bytes charged to the lease for the context itself
  std::shared_ptr<UploadPieces> uploads;  // a green context's are those of the primary one
  std::shared_ptr<EventPool> events;      // lanes hold it beyond the context's end
};

class Session {
 public:
  // `capture` may be null where nothing is to be captured (tests).
  Session(const Options& options, const DriverTable& driver, Ledger& ledger, StdoutCapture* capture);
  ~Session();

  // Says who we are, and agrees on the window. Throws std::runtime_error.
  void greet();
  // Executes frames until the client closes the connection. Throws wire::Malformed, std::system_error.
  void serve();

  // ---- what generated calls use (bfkernel/remote/cuda/emit_worker.py)

  const DriverTable& driver() const { return driver_; }
  // Throws CudaError for an id that names nothing of this kind. 0 is the null handle.
  template <class Handle>
  Handle handle(wire::Kind kind, std::uint64_t id) {
    if (id == wire::kNullHandle) return nullptr;
    if (kind == wire::Kind::stream && id == wire::kLegacyStream)
      return reinterpret_cast<Handle>(std::uintptr_t{1});
    return static_cast<Handle>(find(kind, id));
  }
  void adopt(wire::Kind kind, std::uint64_t id, void* handle);
  void* drop(wire::Kind kind, std::uint64_t id);
  CUdevice device(std::int32_t ordinal) const;                         // throws CudaError
  void check_device(std::uint64_t address, std::uint64_t size) const;  // throws CudaError

  // ---- what the calls written by hand use

  using Request = wire::FrameHeader;
  // Ends a call: sends the reply of a waiting one, keeps the error of a posted one. Any thread.
  void answer(const Request& request, CUresult result, std::initializer_list<wire::Bytes> payload = {});
  // Answers a query that what it asks about is not done, and tells by itself when it is, if there is room for
  // that.
  void watch(const Request& request, const Watcher::Watch& watch);
  // Runs `work` beside the session's thread, in the current context, and answers with what it returns.
  void aside(const Request& request, std::function<CUresult()> work);
  // Runs `work` beside the session's thread, in the current context; it answers itself.
  void detach(const Request& request, std::function<void()> work);
  // Runs `work`, which belongs to no call, beside the session's thread in the current context.
  void later(std::function<void()> work);
  // Passes on what the device printed: after a call that synchronised, before its reply.
  void drain_stdout();

  // The context of the frame being executed. Throws CudaError where there is none.
  Context& current();
  unsigned ordinal(std::int32_t device) const;  // checked; throws CudaError
  unsigned gpus() const { return static_cast<unsigned>(devices_.size()); }
  // True where no work of the client's can be running on a GPU, as far as a few quick queries tell.
  bool gpu_is_idle();
  // True where all is done that the GPUs were given. Queries every stream; any thread, and it leaves the
  // thread's current context as it was.
  bool all_is_done();
  // Held while the driver ends a context: nobody waits in it meanwhile, and no stream of it is asked.
  struct Ending {
    std::unique_lock<std::mutex> nobody_waits;
    std::unique_lock<std::mutex> nobody_asks;
  };
  Ending ending() { return {std::unique_lock(waits_mutex_), std::unique_lock(endings_mutex_)}; }
  // True where some stream of the client's is known to have work on a GPU. Queries all of them.
  bool gpu_is_at_work();
  // True where more frames wait: then this thread has better things to do than to wait for the GPU.
  bool more_to_do() const { return connection_ && connection_->ready(); }

  // Enters a context that the driver just made, and charges the lease for what it took from the card since
  // `held_before`. OUT_OF_MEMORY, and nothing entered, where the lease has not that much.
  CUresult enter_context(std::unique_ptr<Context> context, std::uint64_t held_before);
  // Ends the tables of a context and the memory that was allocated in it; the driver's own end is the
  // caller's.
  void end_context(std::uint64_t id);
  // Ends a green context, here and in the driver.
  CUresult end_green_context(Context& context);
  Context* find_context(std::uint64_t id);
  Context* primary_context(unsigned device);
  Context* green_context(unsigned device);  // any one of them
  std::vector<CUcontext> context_handles();
  void make_current(Context* context);
  void leave(const Context* context);  // it ends, and may be the current one
  // Any thread.
  CUcontext current_handle() const { return current_handle_.load(std::memory_order_relaxed); }
  // The client's id of the context that ends what is made in the current one; 0 where there is none.
  std::uint64_t home() const { return current_ ? current_->home : 0; }

  // For lanes, which cannot ask what is current: an object of the given context (0: of none).
  void adopt(wire::Kind kind, std::uint64_t id, void* handle, std::uint64_t owner, std::uint64_t context);
  void adopt_function(std::uint64_t id, void* handle, const CodeOwner& owner, std::int64_t param_bytes);
  // Parameter layouts read from a text, for functions that are looked up later. They end with their owner.
  void keep_layouts(std::uint64_t owner, const ParamLayouts& layouts);
  ParamLayouts layouts(std::uint64_t owner);

  Connection& connection() { return *connection_; }
  Handles& handles() { return handles_; }
  Ledger& ledger() { return ledger_; }
  Arrays& arrays() { return arrays_; }
  DeviceResources& resources() { return resources_; }
  Memory& memory() { return *memory_; }
  Graphs& graphs() { return *graphs_; }
  Reclaimer& reclaimer() { return *reclaimer_; }
  DownloadBuffers& downloads() { return downloads_; }
  HostBlocks& host_blocks() { return host_blocks_; }
  // Over which descriptors of a client on this machine come; -1 where it is on another.
  int local_line() const { return local_door_.line(); }
  Nvml& nvml() { return nvml_; }
  CardMemory& card() { return card_; }
  Sharing& sharing() { return sharing_; }
  const CodeCache& code_cache() const { return code_cache_; }
  const Window& window() const { return window_; }
  std::uint64_t granularity() const { return backing_.granularity(); }
  std::map<std::uint64_t, std::shared_ptr<Link>>& links() { return links_; }

 private:
  void* find(wire::Kind kind, std::uint64_t id);
  void end_code(std::uint64_t id);
  void execute(const Request& request);
  void execute_generated(const Request& request);
  void reply(const Request& request, CUresult result, std::uint16_t flags,
             std::span<const wire::Bytes> payload);
  void deliver_results();
  std::optional<CUresult> ask(const Watcher::Watch& watch);
  void report(const Watcher::Watch& watch, CUresult result);
  void bind(std::uint64_t context);
  void wait_for_gpu();
  bool at_work(const std::vector<void*>& streams, bool detached);
  void note_work();
  void leave_stream(const Context* context, CUstream stream);
  void add_context(std::unique_ptr<Context> context);
  Context* find_context(const std::function<bool(const Context&)>& wanted);
  void fail(const std::exception& error);
  void use_window(const Window& window);
  std::unique_ptr<wire::Channel> open_channel(bool shared);
  void hear_agent(const wire::json::Value& message, wire::Fd descriptor);
  void join(const std::string& role, wire::Fd connection);
  [[noreturn]] void end(const std::string& reason);

  const Options& options_;
  const DriverTable& driver_;
  Ledger& ledger_;
  StdoutCapture* const capture_;
  std::vector<CUdevice> devices_;
  DriverBacking backing_;
  Nvml nvml_;
  CardMemory card_{nvml_};
  const CodeCache code_cache_{options_.code_cache, options_.code_cache_size};
  Window window_;
  LocalDoor local_door_{options_.shared_memory};
  std::optional<wire::Segment> segment_;  // of a client on this machine
  HostBlocks host_blocks_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<Connection> connection_;
  Handles handles_;
  Arrays arrays_;
  DeviceResources resources_;
  DownloadBuffers downloads_;
  std::mutex layouts_mutex_;
  std::map<std::uint64_t, ParamLayouts> layouts_;
  std::atomic<bool> failed_{false};
  std::atomic<std::uint32_t> deferred_{0};  // first error of posted calls since the last reply

  std::mutex waits_mutex_;  // before endings_mutex_
  std::mutex endings_mutex_;
  std::mutex contexts_mutex_;
  std::map<std::uint64_t, std::unique_ptr<Context>> contexts_;
  Context* current_ = nullptr;
  std::atomic<CUcontext> current_handle_{nullptr};
  Leavings leavings_{driver_};
  std::map<std::uint64_t, std::shared_ptr<Link>> links_;
  std::vector<std::byte> reply_;
  std::unique_ptr<Graphs> graphs_;
  HostFunctions host_functions_;
  Sharing sharing_;
  wire::Fd lifeline_;
  Control control_;  // its thread uses what is above
  // Last, since what runs there uses everything above.
  std::unique_ptr<Reclaimer> reclaimer_;
  Lanes lanes_{[this](const std::exception& error) { fail(error); }};
  Watcher watcher_{[this](const Watcher::Watch& watch) { return ask(watch); },
                   [this](const Watcher::Watch& watch, CUresult result) { report(watch, result); }};
};

}  // namespace worker
