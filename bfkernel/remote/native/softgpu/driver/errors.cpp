// SPDX-License-Identifier: BSD-3-Clause
// Names and descriptions of error codes.
#include <cctype>
#include <map>
#include <string>

#include "exports.h"

using namespace softgpu::driver;

namespace {

const std::map<CUresult, std::string>& descriptions() {
  // Where the name alone would not be a sentence that helps.
  static const std::map<CUresult, const char*> special = {
      {CUDA_SUCCESS, "no error"},
      {CUDA_ERROR_INVALID_VALUE, "invalid argument"},
      {CUDA_ERROR_NOT_INITIALIZED, "initialization error"},
      {CUDA_ERROR_DEINITIALIZED, "driver shutting down"},
      {CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"},
      {CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"},
      {CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"},
      {CUDA_ERROR_INVALID_CONTEXT, "invalid device context"},
      {CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"},
      {CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"},
      {CUDA_ERROR_INVALID_SOURCE, "device kernel image is invalid"},
      {CUDA_ERROR_FILE_NOT_FOUND, "file not found"},
      {CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"},
      {CUDA_ERROR_NOT_FOUND, "named symbol not found"},
      {CUDA_ERROR_NOT_READY, "device not ready"},
      {CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"},
      {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"},
      {CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated"},
      {CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "cannot set while device is active in this process"},
      {CUDA_ERROR_CONTEXT_IS_DESTROYED, "context is destroyed"},
      {CUDA_ERROR_ASSERT, "device-side assert triggered"},
      {CUDA_ERROR_ILLEGAL_INSTRUCTION, "an illegal instruction was encountered"},
      {CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"},
      {CUDA_ERROR_INVALID_PC, "invalid program counter"},
      {CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"},
      {CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "too many blocks in cooperative launch"},
      {CUDA_ERROR_NOT_SUPPORTED, "operation not supported"},
      {CUDA_ERROR_UNKNOWN, "unknown error"},
  };
  static const auto* all = [] {
    auto* result = new std::map<CUresult, std::string>;
    for (size_t i = 0; i < kErrorTableSize; ++i) {
      const ErrorEntry& entry = kErrorTable[i];
      auto found = special.find(entry.code);
      std::string text = found != special.end() ? found->second : entry.name;
      if (found == special.end()) {  // CUDA_ERROR_ALREADY_MAPPED: "already mapped"
        text.erase(0, std::string("CUDA_ERROR_").size());
        for (char& c : text) c = c == '_' ? ' ' : static_cast<char>(std::tolower(c));
      }
      result->emplace(entry.code, std::move(text));
    }
    return result;
  }();
  return *all;
}

}  // namespace

SOFTGPU_API cuGetErrorName(CUresult error, const char** pStr) {
  if (!pStr) return CUDA_ERROR_INVALID_VALUE;
  *pStr = nullptr;
  for (size_t i = 0; i < kErrorTableSize; ++i) {
    if (kErrorTable[i].code == error) *pStr = kErrorTable[i].name;
  }
  return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

SOFTGPU_API cuGetErrorString(CUresult error, const char** pStr) {
  if (!pStr) return CUDA_ERROR_INVALID_VALUE;
  auto found = descriptions().find(error);
  *pStr = found == descriptions().end() ? nullptr : found->second.c_str();
  return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
