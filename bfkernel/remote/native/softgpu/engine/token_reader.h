// SPDX-License-Identifier: BSD-3-Clause
// The tokens of one PTX text, read from front to back.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/lexer.h"

namespace softgpu {

class TokenReader {
 protected:
  explicit TokenReader(std::string_view text) : tokens_(lex(text)) {}

  const Token& peek(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const Token& take() {
    const Token& t = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return t;
  }
  bool accept(std::string_view text) {
    if (!peek().is(text)) return false;
    take();
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) fail("expected '" + std::string(text) + "' before '" + std::string(peek().text) + "'");
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw PtxError(peek().line, "syntax error: " + what);
  }

  std::string identifier() {
    if (peek().kind != Tok::identifier) fail("expected a name before '" + std::string(peek().text) + "'");
    return std::string(take().text);
  }
  int64_t integer() {
    const bool negative = accept("-");
    if (peek().kind != Tok::integer) fail("expected a number before '" + std::string(peek().text) + "'");
    const auto value = static_cast<int64_t>(take().bits);
    return negative ? -value : value;
  }

  void skip_line() {
    const int line = peek().line;
    while (peek().kind != Tok::end && peek().line == line) take();
  }
  void skip_braces() {
    int depth = 0;
    do {
      if (peek().kind == Tok::end) fail("a '{' is not closed");
      if (peek().is("{")) ++depth;
      if (peek().is("}")) --depth;
      take();
    } while (depth > 0);
  }

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
};

}  // namespace softgpu
