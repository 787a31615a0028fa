// SPDX-License-Identifier: BSD-3-Clause
// How a message is written down: its opcode, and the fields in the order in which they travel.
#pragma once

#include "wire/codec.h"
#include "wire/opcodes.h"

#define BFKERNEL_MESSAGE(name) static constexpr ::wire::Opcode opcode = ::wire::Opcode::name
#define BFKERNEL_FIELDS(...) \
  template <class A>         \
  void fields(A& a) {        \
    a(__VA_ARGS__);          \
  }
