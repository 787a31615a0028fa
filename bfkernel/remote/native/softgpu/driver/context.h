// SPDX-License-Identifier: BSD-3-Clause
// Contexts: what belongs to one program on one device, and the error that ends it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "address_space.h"
#include "api.h"
#include "device.h"
#include "printf_fifo.h"
#include "registry.h"
#include "stream.h"

namespace softgpu::driver {

class Module;

struct ContextLimits {
  size_t stack_size = 1024;
  size_t malloc_heap_size = size_t{8} << 20;
  size_t sync_depth = 2;
  size_t pending_launches = 2048;
  size_t l2_fetch_granularity = 64;
};

class Context : public std::enable_shared_from_this<Context> {
 public:
  Context(Device& device, unsigned flags, bool primary);

  // Throws what a call in this context has to answer: its sticky error, or that it is gone.
  void check() const;
  void poison(const FaultReport& report);
  CUresult fault() const { return fault_.load(); }

  void wait_idle();
  // What cuCtxSynchronize does: waits, prints, and returns the sticky error.
  CUresult synchronize();
  // Ends everything that belongs to the context. It can become active again if it is a primary one.
  void tear_down();

  std::shared_ptr<Stream> add_stream(unsigned flags, int priority);
  void forget_stream(const std::shared_ptr<Stream>& stream);
  std::shared_ptr<Stream> legacy_stream();
  std::shared_ptr<Stream> per_thread_stream();
  // Where the context's own events stand: behind no other stream.
  std::shared_ptr<Stream> event_stream();
  // The ends of all that is under way.
  std::vector<Ticket> outstanding();
  // Whatever is submitted from now on, in any stream, comes after the ticket.
  void hold_back(const Ticket& ticket);
  // What a new operation of `stream` has to wait for, by the rules of the default stream.
  void order(const Stream& stream, std::vector<Ticket>* after);

  // The memory that malloc() in device code hands out, made when first asked for. Throws OUT_OF_MEMORY.
  std::pair<uint64_t, uint64_t> heap();

  void add_module(const std::shared_ptr<Module>& module);
  void forget_module(const std::shared_ptr<Module>& module);
  CUcontext handle() { return reinterpret_cast<CUcontext>(this); }

  Device& device;
  const bool primary;
  const unsigned long long id;
  std::atomic<bool> active;      // a primary context is active while retained, another until destroyed
  std::atomic<int> retained{0};  // primary contexts only
  std::atomic<unsigned> flags;
  std::atomic<int> cache_config{CU_FUNC_CACHE_PREFER_NONE};
  std::atomic<int> shared_config{CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE};
  ContextMemory memory;
  PrintfFifo printf;
  std::mutex order_mutex;  // held while an operation's place among all streams is settled

  ContextLimits limits() const;
  void set_limits(const ContextLimits& limits);

 private:
  std::vector<std::shared_ptr<Stream>> streams_with_work();

  std::atomic<CUresult> fault_{CUDA_SUCCESS};
  mutable std::mutex mutex_;
  ContextLimits limits_;
  std::pair<uint64_t, uint64_t> heap_{0, 0};
  std::shared_ptr<Stream> legacy_;
  std::shared_ptr<Stream> event_stream_;
  Ticket held_back_;  // what streams yet to be made have to wait for
  std::map<std::thread::id, std::shared_ptr<Stream>> per_thread_;
  std::vector<std::shared_ptr<Stream>> streams_;    // all but legacy_
  std::vector<std::shared_ptr<Stream>> destroyed_;  // by the program, with work left
  std::vector<std::shared_ptr<Module>> modules_;
};

// The counting of who uses a primary context: it works while somebody does.
void retain_primary(Context& context);
void release_primary(Context& context);

}  // namespace softgpu::driver
