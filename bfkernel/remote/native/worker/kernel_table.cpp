// SPDX-License-Identifier: BSD-3-Clause
#include "worker/kernel_table.h"

#include <algorithm>

namespace worker {
namespace {

// Asking for attributes makes a driver load the kernel. A library of thousands, of which a program uses
// three, must stay as lazy as it is without us.
constexpr std::size_t kFewKernels = 256;
constexpr std::size_t kMostKernels = (std::size_t{1} << wire::kEntryIndexBits) - 1;
constexpr std::size_t kMostParams = 4096;

// One kernel in whichever of the two forms its owner has.
struct Kernel {
  CUfunction function = nullptr;
  CUkernel kernel = nullptr;
  void* handle() const {
    return kernel != nullptr ? static_cast<void*>(kernel) : static_cast<void*>(function);
  }
};

std::string name_of(const DriverTable& driver, const Kernel& kernel) {
  const char* name = nullptr;
  const CUresult result = kernel.kernel != nullptr ? call(driver.cuKernelGetName, &name, kernel.kernel)
                                                   : call(driver.cuFuncGetName, &name, kernel.function);
  return result == CUDA_SUCCESS && name != nullptr ? name : "";
}

// Nothing where the driver does not tell.
std::optional<std::vector<wire::KernelParam>> params_of(const DriverTable& driver, const Kernel& kernel) {
  std::vector<wire::KernelParam> params;
  for (std::size_t i = 0; i < kMostParams; ++i) {
    std::size_t offset = 0, size = 0;
    const CUresult result = kernel.kernel != nullptr
                                ? call(driver.cuKernelGetParamInfo, kernel.kernel, i, &offset, &size)
                                : call(driver.cuFuncGetParamInfo, kernel.function, i, &offset, &size);
    if (result == CUDA_ERROR_NOT_SUPPORTED) return std::nullopt;
    if (result != CUDA_SUCCESS) break;  // past the last one
    params.push_back({static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(size)});
  }
  return params;
}

std::vector<std::int32_t> attributes_of(Session& session, const Kernel& kernel) {
  const DriverTable& driver = session.driver();
  const CUdevice device = session.device(0);
  std::vector<std::int32_t> values(CU_FUNC_ATTRIBUTE_MAX, wire::kUnknownAttribute);
  for (int i = 0; i < CU_FUNC_ATTRIBUTE_MAX; ++i) {
    const auto attribute = static_cast<CUfunction_attribute>(i);
    int value = 0;
    const CUresult result = kernel.kernel != nullptr
                                ? call(driver.cuKernelGetAttribute, &value, attribute, kernel.kernel, device)
                                : call(driver.cuFuncGetAttribute, &value, attribute, kernel.function);
    if (result == CUDA_SUCCESS) values[i] = value;
  }
  return values;
}

wire::KernelEntry enter(Session& session, const CodeOwner& owner, std::uint32_t index, const Kernel& kernel,
                        std::string name, const ParamLayouts& layouts, bool attributes) {
  wire::KernelEntry entry;
  entry.name = std::move(name);
  auto params = params_of(session.driver(), kernel);
  if (!params) {
    if (const auto known = layouts.find(entry.name); known != layouts.end()) params = known->second;
  }
  std::int64_t bytes = -1;
  if (params) {
    entry.params_known = 1;
    entry.params = std::move(*params);
    bytes = 0;
    for (const wire::KernelParam& param : entry.params) {
      bytes = std::max<std::int64_t>(bytes, std::int64_t{param.offset} + param.size);
    }
  }
  if (attributes) entry.attributes = attributes_of(session, kernel);
  session.adopt_function(wire::entry_id(owner.id, index), kernel.handle(), owner, bytes);
  return entry;
}

std::optional<std::vector<Kernel>> list(const DriverTable& driver, const CodeOwner& owner) {
  unsigned count = 0;
  std::vector<Kernel> kernels;
  if (owner.library != nullptr) {
    if (call(driver.cuLibraryGetKernelCount, &count, owner.library) != CUDA_SUCCESS) return std::nullopt;
    std::vector<CUkernel> found(count);
    if (count != 0 &&
        call(driver.cuLibraryEnumerateKernels, found.data(), count, owner.library) != CUDA_SUCCESS) {
      return std::nullopt;
    }
    for (CUkernel kernel : found) kernels.push_back({nullptr, kernel});
  } else {
    if (call(driver.cuModuleGetFunctionCount, &count, owner.module) != CUDA_SUCCESS) return std::nullopt;
    std::vector<CUfunction> found(count);
    if (count != 0 &&
        call(driver.cuModuleEnumerateFunctions, found.data(), count, owner.module) != CUDA_SUCCESS) {
      return std::nullopt;
    }
    for (CUfunction function : found) kernels.push_back({function, nullptr});
  }
  return kernels;
}

}  // namespace

std::optional<std::vector<wire::KernelEntry>> enter_kernels(Session& session, const CodeOwner& owner,
                                                            const ParamLayouts& layouts) {
  const auto kernels = list(session.driver(), owner);
  if (!kernels || kernels->size() > kMostKernels) return std::nullopt;
  std::vector<std::string> names;
  for (const Kernel& kernel : *kernels) {
    names.push_back(name_of(session.driver(), kernel));
    if (names.back().empty()) return std::nullopt;  // a table without names serves nobody
  }
  std::vector<wire::KernelEntry> table;
  for (std::uint32_t i = 0; i < kernels->size(); ++i) {
    table.push_back(
        enter(session, owner, i, (*kernels)[i], names[i], layouts, kernels->size() <= kFewKernels));
  }
  return table;
}

std::vector<std::int32_t> function_attributes(Session& session, std::uint64_t function) {
  const Handles::Entry entry = session.handles().entry(wire::Kind::function, function);
  if (entry.handle == nullptr) throw CudaError{CUDA_ERROR_INVALID_HANDLE};
  const bool of_library = session.handles().find(wire::Kind::library, entry.owner) != nullptr;
  return attributes_of(session, of_library ? Kernel{.kernel = static_cast<CUkernel>(entry.handle)}
                                           : Kernel{.function = static_cast<CUfunction>(entry.handle)});
}

CUresult enter_kernel(Session& session, const CodeOwner& owner, std::uint32_t index, const std::string& name,
                      const ParamLayouts& layouts, wire::KernelEntry* entry) {
  Kernel kernel;
  const DriverTable& driver = session.driver();
  const CUresult result =
      owner.library != nullptr
          ? call(driver.cuLibraryGetKernel, &kernel.kernel, owner.library, name.c_str())
          : call(driver.cuModuleGetFunction, &kernel.function, owner.module, name.c_str());
  if (result == CUDA_SUCCESS) *entry = enter(session, owner, index, kernel, name, layouts, true);
  return result;
}

}  // namespace worker
