// SPDX-License-Identifier: BSD-3-Clause
// What only the card can tell: utilization, temperature, power, clocks. The server's own NVML is asked; where
// it has none, as with an emulated GPU, these are not supported. They are the whole card's, not the lease's.
#include <algorithm>

#include "nvml/library.h"
#include "wire/device_messages.h"

namespace {

using nvml::answer;
using nvml::figure;
using nvml::give;
using nvml::require;
using wire::CardFigure;

CardFigure clock_of(CardFigure first, int domain) {
  require(domain >= 0 && domain < 4);
  return static_cast<CardFigure>(static_cast<int>(first) + domain);
}

// nvmlDeviceGetEncoderUtilization and its like: how long the card measured is not told.
nvmlReturn_t utilization(nvmlDevice_t device, CardFigure of, unsigned* percent, unsigned* period_us) {
  return answer([&] {
    require(percent != nullptr && period_us != nullptr);
    *percent = figure(device, of);
    *period_us = 0;
  });
}

nvmlReturn_t ecc(nvmlDevice_t device, int* current, int* pending) {
  return answer([&] {
    require(current != nullptr && pending != nullptr);
    *current = *pending = static_cast<int>(figure(device, CardFigure::ecc));
  });
}

}  // namespace

// For the functions that hand out one figure.
#define BFKERNEL_FIGURE(name, type, which)                                    \
  NVML_API nvmlReturn_t name(nvmlDevice_t device, type* out) {                \
    return give(out, [device] { return figure(device, CardFigure::which); }); \
  }

BFKERNEL_FIGURE(nvmlDeviceGetPowerUsage, unsigned, power_milliwatts)
BFKERNEL_FIGURE(nvmlDeviceGetEnforcedPowerLimit, unsigned, power_limit_milliwatts)
BFKERNEL_FIGURE(nvmlDeviceGetPowerManagementLimit, unsigned, power_limit_milliwatts)
BFKERNEL_FIGURE(nvmlDeviceGetFanSpeed, unsigned, fan_percent)
BFKERNEL_FIGURE(nvmlDeviceGetPerformanceState, int, performance_state)
BFKERNEL_FIGURE(nvmlDeviceGetPowerState, int, performance_state)
BFKERNEL_FIGURE(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, pcie_generation)
BFKERNEL_FIGURE(nvmlDeviceGetCurrPcieLinkWidth, unsigned, pcie_width)
BFKERNEL_FIGURE(nvmlDeviceGetMaxPcieLinkGeneration, unsigned, max_pcie_generation)
BFKERNEL_FIGURE(nvmlDeviceGetMaxPcieLinkWidth, unsigned, max_pcie_width)
BFKERNEL_FIGURE(nvmlDeviceGetBrand, int, brand)
BFKERNEL_FIGURE(nvmlDeviceGetPersistenceMode, int, persistence)

NVML_API nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t* rates) {
  return answer([&] {
    require(rates != nullptr);
    *rates = {figure(device, CardFigure::gpu_utilization), figure(device, CardFigure::memory_utilization)};
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned* percent,
                                                      unsigned* period_us) {
  return utilization(device, CardFigure::encoder_utilization, percent, period_us);
}
NVML_API nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned* percent,
                                                      unsigned* period_us) {
  return utilization(device, CardFigure::decoder_utilization, percent, period_us);
}

NVML_API nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, int sensor, unsigned* celsius) {
  return give(celsius, [&] {
    require(sensor == 0);
    return figure(device, CardFigure::temperature);
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t* temperature) {
  return answer([&] {
    require(temperature != nullptr);
    require(temperature->version == version_of<nvmlTemperature_v1_t>(1),
            NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    temperature->temperature = static_cast<int>(figure(device, CardFigure::temperature));
  });
}
NVML_API nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, int threshold,
                                                        unsigned* celsius) {
  return give(celsius, [&] {
    require(threshold == 0 || threshold == 1, NVML_ERROR_NOT_SUPPORTED);
    return figure(device,
                  threshold == 0 ? CardFigure::shutdown_temperature : CardFigure::slowdown_temperature);
  });
}

NVML_API nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned fan, unsigned* percent) {
  return give(percent, [&] {
    require(fan == 0);
    return figure(device, CardFigure::fan_percent);
  });
}

NVML_API nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, int domain, unsigned* mhz) {
  return give(mhz, [&] { return figure(device, clock_of(CardFigure::graphics_clock, domain)); });
}
NVML_API nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, int domain, unsigned* mhz) {
  return give(mhz, [&] { return figure(device, clock_of(CardFigure::max_graphics_clock, domain)); });
}
NVML_API nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, int domain, int which, unsigned* mhz) {
  constexpr int kCurrent = 0;
  return give(mhz, [&] {
    require(which == kCurrent, NVML_ERROR_NOT_SUPPORTED);
    return figure(device, clock_of(CardFigure::graphics_clock, domain));
  });
}

NVML_API nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, int* current, int* pending) {
  return ecc(device, current, pending);
}

// Many questions in one call, each with its own result.
NVML_API nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t* values) {
  return answer([&] {
    nvml::index_of(device);
    require(values != nullptr && count > 0);
    std::for_each_n(values, count,
                    [](nvmlFieldValue_t& value) { value.nvmlReturn = NVML_ERROR_NOT_SUPPORTED; });
  });
}
