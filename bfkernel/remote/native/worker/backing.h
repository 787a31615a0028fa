// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "worker/driver.h"
#include "worker/memory.h"

namespace worker {

// Physical memory from the driver's virtual memory management.
class DriverBacking : public Backing {
 public:
  // Devices in the order of the lease.
  DriverBacking(const DriverTable& driver, std::vector<CUdevice> devices);

  // The largest of what the devices require: chunks fit them all.
  std::uint64_t granularity() const { return granularity_; }

  CUresult create(unsigned device, std::uint64_t size, std::uint64_t* handle) override;
  void destroy(std::uint64_t handle) override;
  CUresult map(std::uint64_t address, std::uint64_t size, std::uint64_t offset,
               std::uint64_t handle) override;
  CUresult allow_access(unsigned device, std::uint64_t address, std::uint64_t size) override;
  void unmap(std::uint64_t address, std::uint64_t size) override;
  CUresult export_file(std::uint64_t handle, int* file) override;
  CUresult import_file(int file, std::uint64_t* handle) override;

 private:
  CUmemAllocationProp properties(unsigned device) const;

  const DriverTable& driver_;
  const std::vector<CUdevice> devices_;
  std::vector<std::vector<CUmemAccessDesc>> access_;  // for each device, who may touch its memory
  std::uint64_t granularity_ = 0;
  bool shareable_ = false;  // the driver lends memory to other processes
};

}  // namespace worker
