// SPDX-License-Identifier: BSD-3-Clause
// A kernel launch: checked and complete, so that it can be run at any later time.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "module.h"

namespace softgpu::driver {

struct LaunchShape {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  bool cooperative;
};

struct Launch {
  std::shared_ptr<Context> context;
  std::shared_ptr<Function> function;
  std::shared_ptr<Module> module;
  LaunchConfig config;  // without its parameters
  std::vector<std::byte> params;
};

// Throws what cuLaunchKernel has to answer.
Launch prepare_launch(const std::shared_ptr<Context>& context, CUfunction function, const LaunchShape& shape,
                      void** kernel_params, void** extra);
void run(const Launch& launch);
// Takes a launch attribute into account. Those that ask for what every launch here does anyway are accepted;
// what cannot be done is refused.
void apply(const CUlaunchAttribute& attribute, LaunchShape* shape);

}  // namespace softgpu::driver
