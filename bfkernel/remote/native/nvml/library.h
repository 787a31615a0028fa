// SPDX-License-Identifier: BSD-3-Clause
// What the functions of this folder share: whether NVML is initialised, the handles of devices, and the
// answers of the worker.
#pragma once

#include <cstddef>
#include <cstdio>
#include <new>
#include <optional>
#include <string>

#include "nvml/types.h"
#include "wire/device_messages.h"

namespace nvml {

// How a function says that it failed: thrown anywhere in it, returned by answer().
struct Failure {
  nvmlReturn_t result;
};

inline void require(bool condition, nvmlReturn_t otherwise = NVML_ERROR_INVALID_ARGUMENT) {
  if (!condition) throw Failure{otherwise};
}

// nvmlInit and nvmlShutdown. Throw Failure.
void open();
void close();
void require_open();

// The lease's GPUs, in its order; CUDA_VISIBLE_DEVICES has no meaning to NVML.
unsigned count();
nvmlDevice_t handle(unsigned index);
unsigned index_of(nvmlDevice_t device);

// What does not change about the devices; asked for once.
const wire::DeviceSnapshot::Reply& snapshot();
const wire::DeviceInfo& info(nvmlDevice_t device);
// A CUdevice_attribute, by number.
std::optional<int> attribute(nvmlDevice_t device, int number);

// Memory and processes as they are now.
wire::DeviceUse use(nvmlDevice_t device);
// What the card says of itself, at most a tenth of a second ago. Throws NOT_SUPPORTED where it says nothing.
unsigned figure(nvmlDevice_t device, wire::CardFigure figure);
// The same without the throw.
std::optional<unsigned long long> figure_if_known(nvmlDevice_t device, wire::CardFigure figure);
// NVIDIA's number of the server's driver; empty where there is none.
std::string driver_number();

void put_text(char* out, unsigned length, const std::string& text);

// What every function does around its work.
template <class Body>
nvmlReturn_t answer(Body&& body) noexcept {
  try {
    require_open();
    body();
    return NVML_SUCCESS;
  } catch (const Failure& failure) {
    return failure.result;
  } catch (const std::bad_alloc&) {
    return NVML_ERROR_MEMORY;
  } catch (...) {
    return NVML_ERROR_UNKNOWN;
  }
}

// For the functions that write one number.
template <class Out, class Value>
nvmlReturn_t give(Out* out, Value&& value) noexcept {
  return answer([&] {
    require(out != nullptr);
    *out = static_cast<Out>(value());
  });
}

}  // namespace nvml
