// SPDX-License-Identifier: BSD-3-Clause
// cuLibrary* and cuKernel*.
#include <algorithm>

#include "current.h"
#include "function_attributes.h"
#include "library.h"

using namespace softgpu::driver;
using softgpu::KernelInfo;

namespace {

struct Options {
  CUjit_option* jit;
  void** jit_values;
  unsigned jit_count;
};

CUresult load(Driver& driver, CUlibrary* library, const void* code, const Options& options) {
  require(library != nullptr);
  auto program = compile_image(code, driver.device(0).compute_capability, options.jit_count, options.jit,
                               options.jit_values);
  auto made = std::make_shared<Library>(std::move(program));
  made->add_kernels();
  *library = registry<Library>().add<CUlibrary>(std::move(made));
  return CUDA_SUCCESS;
}

template <typename Body>
CUresult with_kernel(CUkernel handle, Body&& body) {
  return with_driver([&](Driver& driver) {
    std::shared_ptr<LibraryKernel> kernel = registry<LibraryKernel>().get(handle);
    return body(driver, *kernel);
  });
}

}  // namespace

// The image is compiled at once and not needed afterwards, so the library options change nothing.
SOFTGPU_API cuLibraryLoadData(CUlibrary* library, const void* code, CUjit_option* jitOptions,
                              void** jitOptionsValues, unsigned int numJitOptions, CUlibraryOption*, void**,
                              unsigned int) {
  return with_driver([&](Driver& driver) {
    return load(driver, library, code, {jitOptions, jitOptionsValues, numJitOptions});
  });
}

SOFTGPU_API cuLibraryLoadFromFile(CUlibrary* library, const char* fileName, CUjit_option* jitOptions,
                                  void** jitOptionsValues, unsigned int numJitOptions, CUlibraryOption*,
                                  void**, unsigned int) {
  return with_driver([&](Driver& driver) {
    require(fileName != nullptr);
    std::string image = read_image_file(fileName);
    return load(driver, library, image.data(), {jitOptions, jitOptionsValues, numJitOptions});
  });
}

SOFTGPU_API cuLibraryUnload(CUlibrary library) {
  return with_driver([&](Driver& driver) {
    std::shared_ptr<Library> gone = registry<Library>().remove(library);
    require(gone != nullptr, CUDA_ERROR_INVALID_HANDLE);
    driver.drain();
    gone->unload();
  });
}

SOFTGPU_API cuLibraryGetKernel(CUkernel* pKernel, CUlibrary library, const char* name) {
  return with_driver([&](Driver&) {
    require(pKernel != nullptr && name != nullptr);
    std::shared_ptr<LibraryKernel> kernel = registry<Library>().get(library)->kernel(name);
    require(kernel != nullptr, CUDA_ERROR_NOT_FOUND);
    *pKernel = kernel->handle();
  });
}

SOFTGPU_API cuLibraryGetKernelCount(unsigned int* count, CUlibrary lib) {
  return with_driver([&](Driver&) {
    require(count != nullptr);
    *count = static_cast<unsigned>(registry<Library>().get(lib)->kernels().size());
  });
}

SOFTGPU_API cuLibraryEnumerateKernels(CUkernel* kernels, unsigned int numKernels, CUlibrary lib) {
  return with_driver([&](Driver&) {
    require(kernels != nullptr && numKernels > 0);
    std::shared_ptr<Library> library = registry<Library>().get(lib);
    size_t count = std::min<size_t>(numKernels, library->kernels().size());
    for (size_t i = 0; i < count; ++i) kernels[i] = library->kernels()[i]->handle();
  });
}

SOFTGPU_API cuLibraryGetModule(CUmodule* pMod, CUlibrary library) {
  return with_context([&](Context& context) {
    require(pMod != nullptr);
    *pMod = registry<Library>().get(library)->module_in(context)->handle();
  });
}

SOFTGPU_API cuLibraryGetGlobal(CUdeviceptr* dptr, size_t* bytes, CUlibrary library, const char* name) {
  return with_context([&](Context& context) {
    require(name != nullptr);
    std::shared_ptr<Module> module = registry<Library>().get(library)->module_in(context);
    const Module::Global* global = module->global(name);
    require(global != nullptr, CUDA_ERROR_NOT_FOUND);
    if (dptr) *dptr = global->address;
    if (bytes) *bytes = global->size;
  });
}

// A managed variable belongs to the library, not to one context. It lives in memory of the device where it
// was first used, which all reach.
SOFTGPU_API cuLibraryGetManaged(CUdeviceptr* dptr, size_t* bytes, CUlibrary library, const char* name) {
  return with_context([&](Context& context) {
    require(name != nullptr);
    std::shared_ptr<Module> module = registry<Library>().get(library)->module_in(context);
    const Module::Global* global = module->global(name);
    require(global != nullptr && global->managed, CUDA_ERROR_NOT_FOUND);
    if (dptr) *dptr = global->address;
    if (bytes) *bytes = global->size;
  });
}

SOFTGPU_API cuKernelGetFunction(CUfunction* pFunc, CUkernel kernel) {
  return with_context([&](Context& context) {
    require(pFunc != nullptr);
    *pFunc = registry<LibraryKernel>().get(kernel)->function_in(context)->handle();
  });
}

SOFTGPU_API cuKernelGetLibrary(CUlibrary* pLib, CUkernel kernel) {
  return with_kernel(kernel, [&](Driver&, LibraryKernel& found) {
    std::shared_ptr<Library> library = found.library.lock();
    require(pLib != nullptr && library != nullptr);
    *pLib = reinterpret_cast<CUlibrary>(library.get());
  });
}

SOFTGPU_API cuKernelGetName(const char** name, CUkernel hfunc) {
  return with_kernel(hfunc, [&](Driver&, LibraryKernel& kernel) {
    require(name != nullptr);
    *name = kernel.name.c_str();
  });
}

SOFTGPU_API cuKernelGetAttribute(int* pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev) {
  return with_kernel(kernel, [&](Driver& driver, LibraryKernel& found) {
    require(pi != nullptr);
    const Device& device = driver.device(dev);
    *pi = get_attribute(device, softgpu::info(*found.kernel), *found.settings_on(device), attrib);
  });
}

SOFTGPU_API cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev) {
  return with_kernel(kernel, [&](Driver& driver, LibraryKernel& found) {
    const Device& device = driver.device(dev);
    set_attribute(device, softgpu::info(*found.kernel), *found.settings_on(device), attrib, val);
  });
}

SOFTGPU_API cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev) {
  return with_kernel(kernel, [&](Driver& driver, LibraryKernel& found) {
    require(config <= CU_FUNC_CACHE_PREFER_EQUAL);
    found.settings_on(driver.device(dev))->cache_config = config;
  });
}

SOFTGPU_API cuKernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t* paramOffset, size_t* paramSize) {
  return with_kernel(kernel, [&](Driver&, LibraryKernel& found) {
    const KernelInfo& info = softgpu::info(*found.kernel);
    require(paramOffset != nullptr && paramIndex < info.params.size());
    *paramOffset = info.params[paramIndex].offset;
    if (paramSize) *paramSize = info.params[paramIndex].size;
  });
}

SOFTGPU_API cuKernelGetParamCount(CUkernel kernel, size_t* paramCount) {
  return with_kernel(kernel, [&](Driver&, LibraryKernel& found) {
    require(paramCount != nullptr);
    *paramCount = softgpu::info(*found.kernel).params.size();
  });
}
