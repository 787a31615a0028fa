// SPDX-License-Identifier: BSD-3-Clause
// Everything that is compiled once for each vector extension; the including file has set the target.
namespace softgpu::SOFTGPU_ISA {

#include "engine/vector/lanes.inl"
#include "engine/vector/integer.inl"
#include "engine/vector/float.inl"
#include "engine/vector/compare.inl"
#include "engine/vector/memory.inl"
#include "engine/vector/branch.inl"

void register_vector(Registry& r) {
  register_integer(r);
  register_float(r);
  register_compare(r);
  register_memory(r);
  register_branch(r);
}

}  // namespace softgpu::SOFTGPU_ISA
