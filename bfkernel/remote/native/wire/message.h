// SPDX-License-Identifier: BSD-3-Clause
// How a message is written down: its opcode, and the fields in the order in which they travel.
//
// The messages of *_messages.h are written by hand, all others are generated, one for each driver call. A
// message without a Reply is answered, if it is waiting, by a header alone. A reply whose result is an error
// has an empty payload, except for the replies that carry a JitReport.
#pragma once

#include "wire/codec.h"
#include "wire/opcodes.h"

#define BFKERNEL_MESSAGE(name) static constexpr ::wire::Opcode opcode = ::wire::Opcode::name
#define BFKERNEL_FIELDS(...) \
  template <class A>         \
  void fields(A& a) {        \
    a(__VA_ARGS__);          \
  }
