// SPDX-License-Identifier: BSD-3-Clause
// The lease as it is now, for the client's NVML library: memory and processes from the ledger, and what only
// the card itself can tell from NVIDIA's NVML, where there is one.
#include <algorithm>

#include "wire/device_messages.h"
#include "worker/calls.h"

namespace worker {
namespace {

using wire::CardFigure;

class Figures {
 public:
  Figures(Nvml& nvml, void* card) : nvml_(nvml), card_(card) {
    values_.assign(static_cast<std::size_t>(CardFigure::count), wire::kUnknownFigure);
  }

  void set(CardFigure figure, std::int64_t value) { values_[static_cast<std::size_t>(figure)] = value; }

  // For the many functions of the form f(device, unsigned*), with arguments between the two for some.
  template <class... Between>
  void ask(CardFigure figure, const char* name, Between... between) {
    const auto function = nvml_.function<int(void*, Between..., unsigned*)>(name);
    unsigned value = 0;
    if (function != nullptr && function(card_, between..., &value) == 0) set(figure, value);
  }

  // For f(device, unsigned*, unsigned*), where only the first is wanted.
  void ask_first(CardFigure figure, const char* name) {
    const auto function = nvml_.function<int(void*, unsigned*, unsigned*)>(name);
    unsigned value = 0;
    unsigned other = 0;
    if (function != nullptr && function(card_, &value, &other) == 0) set(figure, value);
  }

  void ask_utilization() {
    struct {
      unsigned gpu;
      unsigned memory;
    } rates{};
    const auto function = nvml_.function<int(void*, void*)>("nvmlDeviceGetUtilizationRates");
    if (function == nullptr || function(card_, &rates) != 0) return;
    set(CardFigure::gpu_utilization, rates.gpu);
    set(CardFigure::memory_utilization, rates.memory);
  }

  void ask_card_memory() {
    struct {
      unsigned long long total;
      unsigned long long free;
      unsigned long long used;
    } memory{};
    const auto function = nvml_.function<int(void*, void*)>("nvmlDeviceGetMemoryInfo");
    if (function != nullptr && function(card_, &memory) == 0)
      set(CardFigure::card_memory_bytes, static_cast<std::int64_t>(memory.total));
  }

  std::vector<std::int64_t> take() { return std::move(values_); }

 private:
  Nvml& nvml_;
  void* card_;
  std::vector<std::int64_t> values_;
};

void ask_clocks(Figures& figures) {
  for (unsigned domain = 0; domain < 4; ++domain) {
    const auto of = [domain](CardFigure first) {
      return static_cast<CardFigure>(static_cast<unsigned>(first) + domain);
    };
    figures.ask(of(CardFigure::graphics_clock), "nvmlDeviceGetClockInfo", domain);
    figures.ask(of(CardFigure::max_graphics_clock), "nvmlDeviceGetMaxClockInfo", domain);
  }
}

std::vector<std::int64_t> read_figures(Nvml& nvml, void* card) {
  Figures figures(nvml, card);
  if (card == nullptr) return figures.take();
  figures.ask_utilization();
  figures.ask_card_memory();
  ask_clocks(figures);
  figures.ask(CardFigure::temperature, "nvmlDeviceGetTemperature", 0u);
  figures.ask(CardFigure::shutdown_temperature, "nvmlDeviceGetTemperatureThreshold", 0u);
  figures.ask(CardFigure::slowdown_temperature, "nvmlDeviceGetTemperatureThreshold", 1u);
  figures.ask(CardFigure::fan_percent, "nvmlDeviceGetFanSpeed");
  figures.ask(CardFigure::power_milliwatts, "nvmlDeviceGetPowerUsage");
  figures.ask(CardFigure::power_limit_milliwatts, "nvmlDeviceGetEnforcedPowerLimit");
  figures.ask(CardFigure::performance_state, "nvmlDeviceGetPerformanceState");
  figures.ask(CardFigure::pcie_generation, "nvmlDeviceGetCurrPcieLinkGeneration");
  figures.ask(CardFigure::pcie_width, "nvmlDeviceGetCurrPcieLinkWidth");
  figures.ask(CardFigure::max_pcie_generation, "nvmlDeviceGetMaxPcieLinkGeneration");
  figures.ask(CardFigure::max_pcie_width, "nvmlDeviceGetMaxPcieLinkWidth");
  figures.ask(CardFigure::brand, "nvmlDeviceGetBrand");
  figures.ask(CardFigure::persistence, "nvmlDeviceGetPersistenceMode");
  figures.ask_first(CardFigure::ecc, "nvmlDeviceGetEccMode");
  figures.ask_first(CardFigure::encoder_utilization, "nvmlDeviceGetEncoderUtilization");
  figures.ask_first(CardFigure::decoder_utilization, "nvmlDeviceGetDecoderUtilization");
  return figures.take();
}

wire::DeviceUse use_of(Session& session, unsigned gpu, std::uint64_t unused) {
  Memory::Usage usage = session.memory().usage(gpu);
  usage.free_bytes += std::min(unused, usage.total_bytes - usage.free_bytes);
  wire::DeviceUse use{usage.total_bytes, usage.free_bytes, {}, {}};
  // What is free inside our own chunks is free to this client, so it does not hold it.
  const std::uint64_t held = std::min(usage.total_bytes, session.ledger().held_by_all(gpu));
  const std::uint64_t used = usage.total_bytes - usage.free_bytes;
  const std::uint64_t room = held > used ? held - used : 0;
  for (const Ledger::Client& client : session.ledger().clients(gpu)) {
    const std::uint64_t inside = client.ours ? std::min(room, client.held) : 0;
    use.clients.push_back({client.pid, client.held - inside});
  }
  return use;
}

std::string driver_number(Nvml& nvml) {
  char text[96] = {};
  const auto function = nvml.function<int(char*, unsigned)>("nvmlSystemGetDriverVersion");
  return function != nullptr && function(text, sizeof text - 1) == 0 ? text : "";
}

wire::LeaseReport::Reply report(Session& session, const std::vector<std::uint64_t>& unused,
                                bool with_figures) {
  wire::LeaseReport::Reply reply;
  bool real = false;
  for (unsigned gpu = 0; gpu < session.gpus(); ++gpu) {
    reply.devices.push_back(use_of(session, gpu, gpu < unused.size() ? unused[gpu] : 0));
    if (!with_figures) continue;
    void* card = session.nvml().device(session.device(static_cast<std::int32_t>(gpu)));
    real = real || card != nullptr;
    reply.devices.back().figures = read_figures(session.nvml(), card);
  }
  // NVML may be there for cards that this driver does not drive.
  if (real) reply.driver = driver_number(session.nvml());
  return reply;
}

// Reading a card takes milliseconds: beside the calls of the client's other threads.
void lease_report(Session& session, const wire::FrameHeader& request, const wire::LeaseReport& message) {
  if (message.figures == 0)
    return session.answer(request, CUDA_SUCCESS, {encoded(report(session, message.unused, false))});
  session.detach(request, [&session, request, unused = message.unused] {
    session.answer(request, CUDA_SUCCESS, {encoded(report(session, unused, true))});
  });
}

}  // namespace

void add_report_calls(CallTable& table) { table.serve<&lease_report>(wire::Opcode::LeaseReport); }

}  // namespace worker
