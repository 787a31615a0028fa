// SPDX-License-Identifier: BSD-3-Clause
// Functions of the client's program that the driver calls when a stream reaches them (cuLaunchHostFunc,
// cuStreamAddCallback, host nodes of graphs). The client names each by a token, which is all that the driver
// is given as the function's data; the call itself goes over a connection of its own, so that nothing that
// the client waits for stands before it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>

#include "wire/codec.h"
#include "wire/socket.h"
#include "worker/driver.h"

namespace worker {

class HostFunctions {
 public:
  // `lost` is called, by any thread, when the client's end is gone or sent what is no answer.
  explicit HostFunctions(std::function<void()> lost);
  ~HostFunctions();

  // The client's channel; false where it has one already.
  bool attach(wire::Fd channel);
  // The client has opened its channel: the GPU may wait for it from now on, so the session's thread must not
  // wait for the GPU any more.
  static bool in_use() { return in_use_.load(std::memory_order_relaxed); }

  enum class Lifetime { once, kept };  // kept: called once a launch of the graph that has it
  // What the driver takes for a token: the function and its data.
  static CUhostFn function() { return &run; }
  static CUstreamCallback callback() { return &run_callback; }
  static void* data(std::uint64_t token, Lifetime lifetime);  // throws CudaError for what is no token
  // The token in what data() returned.
  static std::uint64_t token(const void* data) { return reinterpret_cast<std::uint64_t>(data) >> 1; }
  // Called before the client is asked, on the driver's thread: may send frames ahead on the channel.
  using Send = std::function<void(wire::Bytes)>;
  void before(std::function<void(std::uint64_t token, const Send& send)> prepare) {
    prepare_ = std::move(prepare);
  }

 private:
  static void run(void* data);
  static void run_callback(CUstream stream, CUresult status, void* data);
  static void ask(void* data, CUresult status);
  void ask_client(std::uint64_t token, CUresult status, bool again);

  // One worker serves one client, so the driver's threads find the one object there is.
  static inline std::atomic<HostFunctions*> instance_{nullptr};
  static inline std::atomic<bool> in_use_{false};

  const std::function<void()> lost_;
  std::function<void(std::uint64_t token, const Send& send)> prepare_;
  std::mutex turn_;  // the client runs one function at a time, as CUDA's driver does
  wire::Fd channel_;
  std::uint32_t sequence_ = 0;
};

}  // namespace worker
