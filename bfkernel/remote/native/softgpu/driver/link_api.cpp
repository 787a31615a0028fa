// SPDX-License-Identifier: BSD-3-Clause
// cuLink*: PTX texts collected, checked by compiling them together, and handed back as one image.

#include "current.h"
#include "image.h"
#include "jit_options.h"
#include "module.h"

namespace softgpu::driver {

// One CUlinkState. Its log buffers are the caller's, and stay so until it is destroyed.
class Linker {
 public:
  Linker(std::array<int, 2> compute_capability, JitOptions options)
      : compute_capability_(compute_capability), options_(std::move(options)) {}

  void add(CUjitInputType type, const void* data, size_t size, const std::string& name) {
    logged([&] {
      // The device runtime comes as machine code; what is here of it, the engine knows by name. A function of
      // it that the engine does not know is reported as unresolved when linking completes.
      if (type == CU_JIT_INPUT_LIBRARY && name.find("cudadevrt") != std::string::npos) return;
      if (type != CU_JIT_INPUT_PTX && type != CU_JIT_INPUT_FATBINARY && type != CU_JIT_INPUT_CUBIN) {
        log_.error += "softgpu links PTX only; '" + name + "' is an object, a library or LTO code\n";
        fail(CUDA_ERROR_NOT_SUPPORTED);
      }
      for (std::string& text : ptx_texts(data, size, compute_capability_, &log_))
        texts_.push_back(std::move(text));
    });
  }

  const std::string& complete() {
    logged([&] {
      require(!texts_.empty());
      program_ = compile_shared(texts_, options_.max_registers(),
                                &log_);  // kept, so that loading the image need not compile again
      image_ = join_linked(texts_, options_.max_registers());
    });
    return image_;
  }

 private:
  template <typename Body>
  void logged(Body&& body) {
    try {
      body();
      options_.report(log_);
    } catch (const Failure&) {
      options_.report(log_);
      throw;
    }
  }

  const std::array<int, 2> compute_capability_;
  const JitOptions options_;
  JitLog log_;
  std::vector<std::string> texts_;
  std::shared_ptr<const Program> program_;
  std::string image_;
};

}  // namespace softgpu::driver

using namespace softgpu::driver;

SOFTGPU_API cuLinkCreate_v2(unsigned int numOptions, CUjit_option* options, void** optionValues,
                            CUlinkState* stateOut) {
  return with_context([&](Context& context) {
    require(stateOut != nullptr);
    JitOptions jit(numOptions, options, optionValues);
    *stateOut = registry<Linker>().add<CUlinkState>(
        std::make_shared<Linker>(context.device.compute_capability, std::move(jit)));
  });
}

SOFTGPU_API cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void* data, size_t size,
                             const char* name, unsigned int, CUjit_option*, void**) {
  return with_context([&](Context&) {
    require(data != nullptr && size > 0);
    registry<Linker>().get(state)->add(type, data, size, name ? name : "<unnamed>");
  });
}

SOFTGPU_API cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char* path, unsigned int,
                             CUjit_option*, void**) {
  return with_context([&](Context&) {
    require(path != nullptr);
    std::shared_ptr<Linker> linker = registry<Linker>().get(state);
    std::string image = read_image_file(path);
    linker->add(type, image.data(), image.size(), path);
  });
}

SOFTGPU_API cuLinkComplete(CUlinkState state, void** cubinOut, size_t* sizeOut) {
  return with_context([&](Context&) {
    require(cubinOut != nullptr);
    const std::string& image = registry<Linker>().get(state)->complete();
    *cubinOut = const_cast<char*>(image.c_str());
    if (sizeOut) *sizeOut = image.size() + 1;  // with the NUL that ends it
  });
}

SOFTGPU_API cuLinkDestroy(CUlinkState state) {
  return with_driver(
      [&](Driver&) { require(registry<Linker>().remove(state) != nullptr, CUDA_ERROR_INVALID_HANDLE); });
}
