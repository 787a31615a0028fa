// SPDX-License-Identifier: BSD-3-Clause
// cuModule*.
#include <algorithm>

#include "current.h"
#include "module.h"

using namespace softgpu::driver;

namespace {

CUresult load(CUmodule* module, const void* image, unsigned count, CUjit_option* options, void** values) {
  return with_context([&](Context& context) {
    require(module != nullptr);
    auto program = compile_image(image, context.device.compute_capability, count, options, values);
    *module = load_module(context, std::move(program))->handle();
  });
}

}  // namespace

SOFTGPU_API cuModuleLoadData(CUmodule* module, const void* image) {
  return load(module, image, 0, nullptr, nullptr);
}

SOFTGPU_API cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned int numOptions,
                               CUjit_option* options, void** optionValues) {
  return load(module, image, numOptions, options, optionValues);
}

SOFTGPU_API cuModuleLoadFatBinary(CUmodule* module, const void* fatCubin) {
  return load(module, fatCubin, 0, nullptr, nullptr);
}

SOFTGPU_API cuModuleLoad(CUmodule* module, const char* fname) {
  return with_context([&](Context&) {
    require(fname != nullptr);
    std::string image = read_image_file(fname);
    return load(module, image.data(), 0, nullptr, nullptr);
  });
}

SOFTGPU_API cuModuleUnload(CUmodule hmod) {
  return with_context([&](Context&) {
    std::shared_ptr<Module> module = registry<Module>().get(hmod);
    Driver::get().drain();
    if (auto context = module->context.lock()) {
      context->printf.flush();
      context->forget_module(module);
    }
    retire(*module);
  });
}

SOFTGPU_API cuModuleGetLoadingMode(CUmoduleLoadingMode* mode) {
  return with_driver([&](Driver&) {
    require(mode != nullptr);
    *mode = CU_MODULE_EAGER_LOADING;
  });
}

SOFTGPU_API cuModuleGetFunction(CUfunction* hfunc, CUmodule hmod, const char* name) {
  return with_context([&](Context&) {
    require(hfunc != nullptr && name != nullptr);
    std::shared_ptr<Function> function = registry<Module>().get(hmod)->function(name);
    require(function != nullptr, CUDA_ERROR_NOT_FOUND);
    *hfunc = function->handle();
  });
}

SOFTGPU_API cuModuleGetFunctionCount(unsigned int* count, CUmodule mod) {
  return with_context([&](Context&) {
    require(count != nullptr);
    *count = static_cast<unsigned>(registry<Module>().get(mod)->functions().size());
  });
}

SOFTGPU_API cuModuleEnumerateFunctions(CUfunction* functions, unsigned int numFunctions, CUmodule mod) {
  return with_context([&](Context&) {
    require(functions != nullptr && numFunctions > 0);
    std::shared_ptr<Module> module = registry<Module>().get(mod);
    size_t count = std::min<size_t>(numFunctions, module->functions().size());
    for (size_t i = 0; i < count; ++i) functions[i] = module->functions()[i]->handle();
  });
}

SOFTGPU_API cuModuleGetGlobal_v2(CUdeviceptr* dptr, size_t* bytes, CUmodule hmod, const char* name) {
  return with_context([&](Context&) {
    require(name != nullptr);
    std::shared_ptr<Module> module = registry<Module>().get(hmod);
    const Module::Global* global = module->global(name);
    require(global != nullptr, CUDA_ERROR_NOT_FOUND);
    if (dptr) *dptr = global->address;
    if (bytes) *bytes = global->size;
  });
}
