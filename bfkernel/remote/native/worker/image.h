// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/code_messages.h"
#include "worker/ptx_params.h"

namespace worker {

// Device code in the form in which a driver takes it, from the bytes that travelled. Throws CudaError
// (INVALID_IMAGE) where these cannot be what they are said to be.
class CodeImage {
 public:
  CodeImage(wire::Image kind, wire::Bytes bytes);
  CodeImage(const CodeImage&) = delete;
  CodeImage& operator=(const CodeImage&) = delete;

  const void* data() const;
  // As they travelled.
  wire::Bytes bytes() const { return wire::Bytes(bytes_).first(bytes_.size() - 1); }
  // What the image itself says of its kernels' parameters.
  ParamLayouts layouts() const;

 private:
  // What programs hold of a fat binary: a small struct that points to the container.
  struct Wrapper {
    std::uint32_t magic = 0x466243B1;
    std::uint32_t version = 1;
    const void* container = nullptr;
    const void* more = nullptr;  // version 2: pointers to the containers that the first was linked from
  };
  void find_containers();

  const wire::Image kind_;
  std::vector<std::byte> bytes_;
  std::vector<wire::Bytes> containers_;
  std::vector<const void*> parts_;  // ends with null
  Wrapper wrapper_;
};

}  // namespace worker
