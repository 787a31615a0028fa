// SPDX-License-Identifier: BSD-3-Clause
// The operands of instructions, and the constant expressions among them.
#pragma once

#include <string_view>

#include "engine/ast.h"
#include "engine/token_reader.h"

namespace softgpu {

class OperandParser : public TokenReader {
 protected:
  using TokenReader::TokenReader;
  Operand operand();

  bool calling_ = false;  // in a call, ( ) holds arguments

 private:
  Operand single();
  int64_t expression(int level = 0);
  int64_t factor();
  Operand constant();
  Operand grouped(Operand::Kind kind, std::string_view close);
  Operand address();
};

}  // namespace softgpu
