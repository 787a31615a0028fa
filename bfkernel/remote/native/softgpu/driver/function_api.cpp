// SPDX-License-Identifier: BSD-3-Clause
// cuFunc*.
#include "current.h"
#include "function_attributes.h"
#include "module.h"

using namespace softgpu::driver;
using softgpu::KernelInfo;

namespace {

template <typename Body>
CUresult with_function(CUfunction handle, Body&& body) {
  return with_context([&](Context& context) { return body(*resolve_function(context, handle)); });
}

}  // namespace

SOFTGPU_API cuFuncGetAttribute(int* pi, CUfunction_attribute attrib, CUfunction hfunc) {
  return with_context([&](Context& context) {
    require(pi != nullptr);
    std::shared_ptr<Function> function = resolve_function(context, hfunc);
    *pi = get_attribute(context.device, softgpu::info(*function->kernel), *function->settings, attrib);
  });
}

SOFTGPU_API cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
  return with_context([&](Context& context) {
    std::shared_ptr<Function> function = resolve_function(context, hfunc);
    set_attribute(context.device, softgpu::info(*function->kernel), *function->settings, attrib, value);
  });
}

SOFTGPU_API cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config) {
  return with_function(hfunc, [&](Function& function) {
    require(config <= CU_FUNC_CACHE_PREFER_EQUAL);
    function.settings->cache_config = config;
  });
}

SOFTGPU_API cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config) {
  return with_function(hfunc,
                       [&](Function&) { require(config <= CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE); });
}

SOFTGPU_API cuFuncGetModule(CUmodule* hmod, CUfunction hfunc) {
  return with_function(hfunc, [&](Function& function) {
    std::shared_ptr<Module> module = function.module.lock();
    require(hmod != nullptr && module != nullptr);
    *hmod = module->handle();
  });
}

SOFTGPU_API cuFuncGetName(const char** name, CUfunction hfunc) {
  return with_function(hfunc, [&](Function& function) {
    require(name != nullptr);
    *name = function.name.c_str();
  });
}

SOFTGPU_API cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t* paramOffset, size_t* paramSize) {
  return with_function(func, [&](Function& function) {
    const KernelInfo& info = softgpu::info(*function.kernel);
    require(paramOffset != nullptr && paramIndex < info.params.size());
    *paramOffset = info.params[paramIndex].offset;
    if (paramSize) *paramSize = info.params[paramIndex].size;
  });
}

SOFTGPU_API cuFuncGetParamCount(CUfunction func, size_t* paramCount) {
  return with_function(func, [&](Function& function) {
    require(paramCount != nullptr);
    *paramCount = softgpu::info(*function.kernel).params.size();
  });
}

SOFTGPU_API cuFuncIsLoaded(CUfunctionLoadingState* state, CUfunction function) {
  return with_function(function, [&](Function&) {
    require(state != nullptr);
    *state = CU_FUNCTION_LOADING_STATE_LOADED;
  });
}

SOFTGPU_API cuFuncLoad(CUfunction function) {
  return with_function(function, [](Function&) {});
}
