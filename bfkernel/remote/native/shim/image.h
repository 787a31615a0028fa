// SPDX-License-Identifier: BSD-3-Clause
// What a program passes as code: PTX text, an ELF cubin, or a fat binary. None of them says how long it is.
#pragma once

#include "shim/cuda_api.h"
#include "wire/messages.h"

namespace shim::image {

struct Code {
  wire::Image kind;
  wire::Bytes bytes;
};

// Recognises the image by its first bytes and measures it. Throws Failure{INVALID_IMAGE}.
Code recognise(const void* image);

// The whole file, with a terminating NUL. Throws Failure{FILE_NOT_FOUND}.
std::vector<char> read_file(const char* path);

}  // namespace shim::image
