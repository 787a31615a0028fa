// SPDX-License-Identifier: BSD-3-Clause
// Turns PTX text into tokens. Comments and line structure vanish; every token remembers its line.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace softgpu {

// Anything wrong with a PTX text; the line goes into the JIT log.
struct PtxError : std::runtime_error {
  PtxError(int at, const std::string& what) : std::runtime_error(what), line(at) {}
  int line;
};

enum class Tok {
  end,
  identifier,  // foo, %r1, $L__BB0_1, _
  directive,   // .visible, .u32, .L2::128B: a dot and all that belongs to it
  integer,
  real32,  // 0fXXXXXXXX
  real64,  // 0dXXXXXXXXXXXXXXXX or 1.5
  string,
  punctuation,
};

struct Token {
  Tok kind = Tok::end;
  std::string_view text;
  uint64_t bits = 0;    // value of a number
  bool joined = false;  // no white space before it: how "add.u32" is told from "add .u32"
  int line = 0;

  bool is(std::string_view s) const { return text == s && kind != Tok::string; }
};

// `text` must outlive the tokens. Throws PtxError.
std::vector<Token> lex(std::string_view text);

}  // namespace softgpu
