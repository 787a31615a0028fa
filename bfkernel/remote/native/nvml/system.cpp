// SPDX-License-Identifier: BSD-3-Clause
// Beginning, end, versions, and what is said of the whole system.
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "nvml/library.h"

namespace {

nvmlReturn_t begin() noexcept {
  try {
    nvml::open();
    return NVML_SUCCESS;
  } catch (const nvml::Failure& failure) {
    return failure.result;
  } catch (...) {
    return NVML_ERROR_UNKNOWN;
  }
}

// The first word of a process's command line, as nvidia-smi shows it.
std::string process_name(unsigned pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
  nvml::require(file.good(), NVML_ERROR_NOT_FOUND);
  std::string name;
  std::getline(file, name, '\0');
  return name;
}

}  // namespace

NVML_API nvmlReturn_t nvmlInit() { return begin(); }
NVML_API nvmlReturn_t nvmlInit_v2() { return begin(); }
// The flags say whether to go on without GPUs; a lease has at least one.
NVML_API nvmlReturn_t nvmlInitWithFlags(unsigned) { return begin(); }
NVML_API nvmlReturn_t nvmlShutdown() { return nvml::answer(nvml::close); }

NVML_API nvmlReturn_t nvmlSystemGetDriverVersion(char* version, unsigned length) {
  return nvml::answer([&] {
    const std::string number = nvml::driver_number();
    nvml::require(!number.empty(), NVML_ERROR_NOT_SUPPORTED);
    nvml::put_text(version, length, number);
  });
}
NVML_API nvmlReturn_t nvmlSystemGetNVMLVersion(char* version, unsigned length) {
  // Programs take its first number for CUDA's.
  return nvml::answer([&] {
    const int cuda = nvml::snapshot().driver_version;
    nvml::put_text(version, length, std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10));
  });
}
NVML_API nvmlReturn_t nvmlSystemGetCudaDriverVersion(int* version) {
  return nvml::give(version, [] { return nvml::snapshot().driver_version; });
}
NVML_API nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* version) {
  return nvml::give(version, [] { return nvml::snapshot().driver_version; });
}
NVML_API nvmlReturn_t nvmlSystemGetProcessName(unsigned pid, char* name, unsigned length) {
  return nvml::answer([&] {
    nvml::require(name != nullptr && length > 0);
    nvml::put_text(name, length, process_name(pid).substr(0, length - 1));
  });
}

// NCCL asks, and takes a failure for the end: no confidential computing between here and the GPU.
NVML_API nvmlReturn_t nvmlSystemGetConfComputeCapabilities(nvmlConfComputeSystemCaps_t* capabilities) {
  return nvml::give(capabilities, [] { return nvmlConfComputeSystemCaps_t{}; });
}
NVML_API nvmlReturn_t nvmlSystemGetConfComputeState(nvmlConfComputeSystemState_t* state) {
  return nvml::give(state, [] { return nvmlConfComputeSystemState_t{}; });
}
NVML_API nvmlReturn_t nvmlSystemGetConfComputeSettings(nvmlSystemConfComputeSettings_t* settings) {
  return nvml::answer([&] {
    nvml::require(settings != nullptr);
    nvml::require(settings->version == version_of<nvmlSystemConfComputeSettings_t>(1),
                  NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
    *settings = {settings->version, 0, 0, 0, 0};
  });
}

NVML_API nvmlReturn_t nvmlUnitGetCount(unsigned* count) {
  return nvml::give(count, [] { return 0; });
}

// NVIDIA does not say what it hands out, and nothing here could answer it.
NVML_API nvmlReturn_t nvmlInternalGetExportTable(const void** table, const void*) {
  if (table != nullptr) *table = nullptr;
  return NVML_ERROR_FUNCTION_NOT_FOUND;
}

NVML_API const char* nvmlErrorString(nvmlReturn_t result) {
  switch (static_cast<int>(result)) {
    case NVML_SUCCESS:
      return "Success";
    case NVML_ERROR_UNINITIALIZED:
      return "NVML is not initialized";
    case NVML_ERROR_INVALID_ARGUMENT:
      return "Invalid argument";
    case NVML_ERROR_NOT_SUPPORTED:
      return "Not supported";
    case NVML_ERROR_NO_PERMISSION:
      return "Not permitted: the GPU is shared, and its settings are its server's";
    case NVML_ERROR_NOT_FOUND:
      return "Not found";
    case NVML_ERROR_INSUFFICIENT_SIZE:
      return "Insufficient size";
    case NVML_ERROR_DRIVER_NOT_LOADED:
      return "No GPU: there is no lease, or it is not granted yet";
    case NVML_ERROR_FUNCTION_NOT_FOUND:
      return "Function not found";
    case NVML_ERROR_GPU_IS_LOST:
      return "The GPU is lost: its server does not answer, or the lease is over";
    case NVML_ERROR_MEMORY:
      return "Insufficient memory";
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH:
      return "The argument has a version that is not supported";
    default:
      return "Unknown error";
  }
}
