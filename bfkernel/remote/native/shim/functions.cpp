// SPDX-License-Identifier: BSD-3-Clause
// Functions and kernels: names, attributes and parameters, from the table that came with their module.
//
// A kernel's handle also serves as a function's, as it does in the driver.
#include <optional>

#include "shim/api.h"
#include "shim/modules.h"
#include "shim/request.h"
#include "wire/code_messages.h"

namespace shim {

void learn_attributes(FunctionObject* function) {
  const std::lock_guard lock(function->owner->mutex);
  if (function->attributes_known) return;
  function->attributes = call(wire::FunctionAttributes{function->id}).attributes;
  function->attributes_known = true;
}

namespace {

// Throws Failure where the worker is asked and does not answer.
std::optional<int> known_attribute(FunctionObject* function, CUfunction_attribute attribute) {
  if (!function->attributes_known) learn_attributes(function);
  const auto index = static_cast<size_t>(attribute);
  const std::vector<int32_t>& known = function->attributes;
  return index < known.size() && known[index] != wire::kUnknownAttribute ? std::optional(known[index])
                                                                         : std::nullopt;
}

CUresult get_attribute(int* out, CUfunction_attribute attribute, FunctionObject* function) {
  require(out);
  const std::optional<int> known = known_attribute(function, attribute);
  require(known.has_value(), CUDA_ERROR_INVALID_VALUE);
  *out = *known;
  return CUDA_SUCCESS;
}

void remember_attribute(FunctionObject* function, CUfunction_attribute attribute, int value) {
  if (!function->attributes_known) return;
  const auto index = static_cast<size_t>(attribute);
  if (index < function->attributes.size()) function->attributes[index] = value;
}

// Limits that are known here: the driver will take the value, so nobody has to wait for it.
bool surely_taken(FunctionObject* function, CUfunction_attribute attribute, int value, CUdevice device) {
  if (!function->attributes_known || value < 0) return false;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: {
      const int most = devices::attribute(device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
      const std::optional<int> fixed = known_attribute(function, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
      return fixed && value <= most - *fixed;
    }
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      return value <= 100;  // percent
    default:
      return false;
  }
}

void send_attribute(Request& request, FunctionObject* function, CUfunction_attribute attribute, int value,
                    CUdevice device) {
  if (surely_taken(function, attribute, value, device))
    request.post();
  else
    request.wait();
  remember_attribute(function, attribute, value);
}

CUresult get_name(const char** name, const FunctionObject* function) {
  require(name);
  *name = function->name.c_str();
  return CUDA_SUCCESS;
}

CUresult get_param(const FunctionObject* function, size_t index, size_t* offset, size_t* size) {
  require(offset);
  require(function->params_known, CUDA_ERROR_NOT_SUPPORTED);
  require(index < function->params.size(), CUDA_ERROR_INVALID_VALUE);
  *offset = function->params[index].offset;
  if (size) *size = function->params[index].size;
  return CUDA_SUCCESS;
}

CUresult count_params(const FunctionObject* function, size_t* count) {
  require(count);
  require(function->params_known, CUDA_ERROR_NOT_SUPPORTED);
  *count = function->params.size();
  return CUDA_SUCCESS;
}

}  // namespace

namespace api {

CUresult cuFuncGetName(const char** name, CUfunction hfunc) { return get_name(name, object_of(hfunc)); }
CUresult cuKernelGetName(const char** name, CUkernel hfunc) { return get_name(name, object_of(hfunc)); }

CUresult cuFuncGetAttribute(int* pi, CUfunction_attribute attrib, CUfunction hfunc) {
  return get_attribute(pi, attrib, object_of(hfunc));
}

CUresult cuKernelGetAttribute(int* pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev) {
  devices::lease_ordinal(dev);
  return get_attribute(pi, attrib, object_of(kernel));
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) {
  FunctionObject* function = object_of(hfunc);
  contexts::require_usable(current_context());
  function->answers.set(attrib, KernelAnswers::here(), value, [&] {
    Request request(Opcode::cuFuncSetAttribute, Context::current);
    request.handle(hfunc);
    request.fields(attrib, value);
    send_attribute(request, function, attrib, value, current_context()->visible_device);
  });
  return CUDA_SUCCESS;
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev) {
  FunctionObject* function = object_of(kernel);
  const auto device = static_cast<CUdevice>(devices::lease_ordinal(dev));
  function->answers.set(attrib, KernelAnswers::here(device), val, [&] {
    Request request(Opcode::cuKernelSetAttribute, Context::any);
    request.fields(attrib, val);
    request.handle(kernel);
    request.device(dev);
    send_attribute(request, function, attrib, val, dev);
  });
  return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t* paramOffset, size_t* paramSize) {
  return get_param(object_of(func), paramIndex, paramOffset, paramSize);
}

CUresult cuKernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t* paramOffset, size_t* paramSize) {
  return get_param(object_of(kernel), paramIndex, paramOffset, paramSize);
}

CUresult cuFuncGetParamCount(CUfunction func, size_t* paramCount) {
  return count_params(object_of(func), paramCount);
}
CUresult cuKernelGetParamCount(CUkernel kernel, size_t* paramCount) {
  return count_params(object_of(kernel), paramCount);
}

CUresult cuFuncGetModule(CUmodule* hmod, CUfunction hfunc) {
  require(hmod);
  const FunctionObject* function = object_of(hfunc);
  if (function->owner->is_library)
    return api::cuLibraryGetModule(hmod, reinterpret_cast<CUlibrary>(function->owner->holder));
  *hmod = reinterpret_cast<CUmodule>(function->owner->holder);
  return CUDA_SUCCESS;
}

CUresult cuKernelGetLibrary(CUlibrary* pLib, CUkernel kernel) {
  require(pLib);
  const FunctionObject* function = object_of(kernel);
  require(function->owner->is_library, CUDA_ERROR_INVALID_HANDLE);
  *pLib = reinterpret_cast<CUlibrary>(function->owner->holder);
  return CUDA_SUCCESS;
}

CUresult cuKernelGetFunction(CUfunction* pFunc, CUkernel kernel) {
  require(pFunc);
  contexts::current();
  *pFunc = reinterpret_cast<CUfunction>(object_of(kernel));
  return CUDA_SUCCESS;
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState* state, CUfunction function) {
  require(state);
  object_of(function);
  *state = CU_FUNCTION_LOADING_STATE_LOADED;
  return CUDA_SUCCESS;
}

CUresult cuFuncLoad(CUfunction function) {
  object_of(function);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace shim
