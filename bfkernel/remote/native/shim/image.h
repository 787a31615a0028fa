// SPDX-License-Identifier: BSD-3-Clause
// What a program passes as code: PTX text, an ELF cubin, or a fat binary. None of them says how long it is.
#pragma once

#include <vector>

#include "shim/cuda_api.h"
#include "wire/code_messages.h"

namespace shim::image {

// What is sent of an image: all of it as it lies in the program, or a selection.
class Code {
 public:
  Code(wire::Image kind, wire::Bytes all) : whole_(described(kind, all)) {}
  Code(wire::Image kind, std::vector<std::byte> selected)
      : selected_(std::move(selected)), whole_(described(kind, selected_)) {}
  Code(Code&&) = default;  // what a vector holds stays where it is when the vector moves

  const wire::Code& whole() const { return whole_; }
  // Of large code the name alone, for a server that may keep it.
  wire::Code by_name() const;

 private:
  static wire::Code described(wire::Image kind, wire::Bytes bytes);

  std::vector<std::byte> selected_;
  wire::Code whole_;
};

// Recognises the image by its first bytes, measures it, and leaves out what no GPU of the lease can use.
// Throws Failure{INVALID_IMAGE}, and Failure{NO_BINARY_FOR_GPU} where nothing is left.
Code recognise(const void* image);

// The container that a fat binary's wrapper points to, or nothing where this is no wrapper.
wire::Bytes unwrapped(const void* image, size_t size);

// The whole file, with a terminating NUL. Throws Failure{FILE_NOT_FOUND}.
std::vector<char> read_file(const char* path);

}  // namespace shim::image
