// SPDX-License-Identifier: BSD-3-Clause
// softgpu, but for launches: they succeed, do nothing, and append the sizes of their kernel's parameters to
// the file RECORD, a line each. It says that it is a card of compute capability 8.0 that runs machine code.
#define _GNU_SOURCE
#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void* softgpu(const char* name) { return dlsym(dlopen(SOFTGPU, RTLD_NOW), name); }

CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
  return strncpy(name, "GPU that records", length), CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  CUresult (*ask)(int*, CUdevice_attribute, CUdevice) = softgpu("cuDeviceGetAttribute");
  const CUresult result = ask(value, attribute, device);
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) *value = 8;
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) *value = 0;
  return result;
}

// A kernel of machine code has the binary version 0 on softgpu: nothing to launch.
CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  CUresult (*ask)(int*, CUfunction_attribute, CUfunction) = softgpu("cuFuncGetAttribute");
  const CUresult result = ask(value, attribute, function);
  if (attribute == CU_FUNC_ATTRIBUTE_BINARY_VERSION) *value = 80;
  return result;
}

CUresult cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device) {
  CUresult (*ask)(int*, CUfunction_attribute, CUkernel, CUdevice) = softgpu("cuKernelGetAttribute");
  const CUresult result = ask(value, attribute, kernel, device);
  if (attribute == CU_FUNC_ATTRIBUTE_BINARY_VERSION) *value = 80;
  return result;
}

static CUresult record(CUfunction function) {
  CUresult (*of_kernel)(CUkernel, size_t, size_t*, size_t*) = softgpu("cuKernelGetParamInfo");
  CUresult (*of_function)(CUfunction, size_t, size_t*, size_t*) = softgpu("cuFuncGetParamInfo");
  FILE* file = fopen(RECORD, "a");
  size_t offset, size;
  if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
  for (size_t i = 0; of_kernel((CUkernel)function, i, &offset, &size) == CUDA_SUCCESS ||
                     of_function(function, i, &offset, &size) == CUDA_SUCCESS;
       i++)
    fprintf(file, " %zu", size);
  fputc('\n', file);
  fclose(file);
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void** parameters, void** extra) {
  return record(function);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** parameters,
                          void** extra) {
  return record(function);
}
