// SPDX-License-Identifier: BSD-3-Clause
#include "nvml/library.h"

#include <pthread.h>

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "shim/monitor.h"

struct nvmlDevice_st {};

namespace nvml {
namespace {

using Clock = std::chrono::steady_clock;
// A monitor asks dozens of functions for one screen; the cards themselves measure less often than this.
constexpr auto kFiguresLast = std::chrono::milliseconds(100);

std::array<nvmlDevice_st, 16> handles;  // a handle is the address of one of these

struct State {
  std::mutex mutex;
  unsigned users = 0;
  unsigned gpus = 0;
  std::unique_ptr<const wire::DeviceSnapshot::Reply> snapshot;
  wire::LeaseReport::Reply figures;
  std::optional<Clock::time_point> figures_at;
};

// Never destroyed: a monitor's thread may still ask while the process ends.
State* state = new State;

// The mutex may be held by a thread that the child does not have; what is known stays true there.
void after_fork_in_child() {
  State* fresh = new State;
  fresh->users = state->users;
  fresh->gpus = state->gpus;
  state = fresh;
}

const int fork_handler = pthread_atfork(nullptr, nullptr, after_fork_in_child);

void take_bytes(void* self, const void* reply, size_t size) {
  const auto* bytes = static_cast<const std::byte*>(reply);
  static_cast<std::vector<std::byte>*>(self)->assign(bytes, bytes + size);
}

template <class Message>
typename Message::Reply ask(const Message& message) {
  std::vector<std::byte> payload;
  wire::Encoder out(payload);
  out(message);
  std::vector<std::byte> reply;
  const int result = bfkernel_monitor()->ask(static_cast<uint16_t>(Message::opcode), payload.data(),
                                             payload.size(), take_bytes, &reply);
  require(result == 0, NVML_ERROR_GPU_IS_LOST);
  wire::Decoder in(reply);
  auto decoded = in.take<typename Message::Reply>();
  in.end();
  return decoded;
}

// Under the lock.
const wire::LeaseReport::Reply& fresh_figures() {
  const Clock::time_point now = Clock::now();
  if (!state->figures_at || now - *state->figures_at > kFiguresLast) {
    state->figures = ask(wire::LeaseReport{.figures = 1});
    state->figures_at = Clock::now();
  }
  return state->figures;
}

}  // namespace

void open() {
  const std::lock_guard lock(state->mutex);
  if (state->users == 0) {
    const int gpus = bfkernel_monitor()->gpus();
    require(gpus > 0 && static_cast<size_t>(gpus) <= handles.size(), NVML_ERROR_DRIVER_NOT_LOADED);
    state->gpus = static_cast<unsigned>(gpus);
  }
  ++state->users;
}

void close() {
  const std::lock_guard lock(state->mutex);
  require(state->users > 0, NVML_ERROR_UNINITIALIZED);
  if (--state->users > 0) return;
  state->snapshot.reset();
  state->figures_at.reset();
  bfkernel_monitor()->close();
}

void require_open() {
  const std::lock_guard lock(state->mutex);
  require(state->users > 0, NVML_ERROR_UNINITIALIZED);
}

unsigned count() {
  const std::lock_guard lock(state->mutex);
  return state->gpus;
}

nvmlDevice_t handle(unsigned index) {
  require(index < count());
  return &handles[index];
}

unsigned index_of(nvmlDevice_t device) {
  for (unsigned i = 0; i < count(); ++i)
    if (device == &handles[i]) return i;
  throw Failure{NVML_ERROR_INVALID_ARGUMENT};
}

const wire::DeviceSnapshot::Reply& snapshot() {
  const std::lock_guard lock(state->mutex);
  if (!state->snapshot)
    state->snapshot = std::make_unique<wire::DeviceSnapshot::Reply>(ask(wire::DeviceSnapshot{}));
  return *state->snapshot;
}

const wire::DeviceInfo& info(nvmlDevice_t device) {
  const unsigned index = index_of(device);
  const auto& all = snapshot().devices;
  require(index < all.size(), NVML_ERROR_GPU_IS_LOST);
  return all[index];
}

std::optional<int> attribute(nvmlDevice_t device, int number) {
  const wire::DeviceInfo& from = info(device);
  const auto index = static_cast<size_t>(number);
  if (index >= from.attributes.size() || index >= from.valid.size() || !from.valid[index])
    return std::nullopt;
  return from.attributes[index];
}

wire::DeviceUse use(nvmlDevice_t device) {
  const unsigned index = index_of(device);
  wire::LeaseReport::Reply report = ask(wire::LeaseReport{});
  require(index < report.devices.size(), NVML_ERROR_GPU_IS_LOST);
  return std::move(report.devices[index]);
}

std::optional<unsigned long long> figure_if_known(nvmlDevice_t device, wire::CardFigure figure) {
  const unsigned index = index_of(device);
  const std::lock_guard lock(state->mutex);
  const wire::LeaseReport::Reply& report = fresh_figures();
  require(index < report.devices.size(), NVML_ERROR_GPU_IS_LOST);
  const auto& figures = report.devices[index].figures;
  const auto number = static_cast<size_t>(figure);
  if (number >= figures.size() || figures[number] == wire::kUnknownFigure) return std::nullopt;
  return static_cast<unsigned long long>(figures[number]);
}

unsigned figure(nvmlDevice_t device, wire::CardFigure figure) {
  const auto known = figure_if_known(device, figure);
  require(known.has_value(), NVML_ERROR_NOT_SUPPORTED);
  return static_cast<unsigned>(*known);
}

std::string driver_number() {
  const std::lock_guard lock(state->mutex);
  return fresh_figures().driver;
}

void put_text(char* out, unsigned length, const std::string& text) {
  require(out != nullptr);
  require(length > text.size(), NVML_ERROR_INSUFFICIENT_SIZE);
  text.copy(out, text.size());
  out[text.size()] = '\0';
}

}  // namespace nvml
