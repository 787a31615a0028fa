// SPDX-License-Identifier: BSD-3-Clause
#include "physical.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace softgpu::driver {

Physical::Physical(Device& device, size_t size, const CUmemAllocationProp& prop, int file, bool charged)
    : device(device), size(size), prop(prop), file_(file), charged_(charged) {}

Physical::~Physical() {
  close(file_);
  if (charged_) device.capacity.refund(size);
}

std::shared_ptr<Physical> Physical::create(Device& device, size_t size, const CUmemAllocationProp& prop) {
  require(device.capacity.charge(size), CUDA_ERROR_OUT_OF_MEMORY);
  int file = memfd_create("softgpu", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, static_cast<off_t>(size)) != 0) {
    if (file >= 0) close(file);
    device.capacity.refund(size);
    fail(CUDA_ERROR_OPERATING_SYSTEM);
  }
  return std::shared_ptr<Physical>(new Physical(device, size, prop, file, true));
}

int Physical::duplicate_file() const {
  int copy = fcntl(file_, F_DUPFD_CLOEXEC, 0);
  require(copy >= 0, CUDA_ERROR_OPERATING_SYSTEM);
  return copy;
}

std::shared_ptr<Physical> Physical::import(Device& device, int file) {
  struct stat status;
  require(fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0);
  int copy = fcntl(file, F_DUPFD_CLOEXEC, 0);
  require(copy >= 0, CUDA_ERROR_OPERATING_SYSTEM);
  CUmemAllocationProp prop = {};
  prop.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  prop.location.id = device.ordinal;
  return std::shared_ptr<Physical>(
      new Physical(device, static_cast<size_t>(status.st_size), prop, copy, false));
}

}  // namespace softgpu::driver
