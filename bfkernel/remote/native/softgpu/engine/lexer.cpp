// SPDX-License-Identifier: BSD-3-Clause
#include "engine/lexer.h"

#include <bit>
#include <cctype>
#include <cstdlib>

namespace softgpu {
namespace {

bool is_start(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%';
}
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$'; }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> out;
    out.reserve(text_.size() / 4);
    for (;;) {
      const bool spaced = skip_blank();
      Token token = next();
      token.joined = !spaced;
      out.push_back(token);
      if (token.kind == Tok::end) return out;
    }
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  // White space, comments and cpp line markers. True if there was any.
  bool skip_blank() {
    const size_t start = at_;
    for (;;) {
      const char c = peek();
      if (c == '\n') {
        ++line_;
        ++at_;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
        ++at_;
      } else if (c == '/' && peek(1) == '/') {
        while (at_ < text_.size() && peek() != '\n') ++at_;
      } else if (c == '/' && peek(1) == '*') {
        skip_comment();
      } else if (c == '#' && (at_ == 0 || text_[at_ - 1] == '\n')) {
        while (at_ < text_.size() && peek() != '\n') ++at_;
      } else if (c == '\0' && at_ < text_.size()) {
        ++at_;  // texts often arrive with their terminating zero
      } else {
        return at_ != start;
      }
    }
  }

  void skip_comment() {
    const int opened = line_;
    at_ += 2;
    while (!(peek() == '*' && peek(1) == '/')) {
      if (at_ >= text_.size()) throw PtxError(opened, "comment is not closed");
      if (peek() == '\n') ++line_;
      ++at_;
    }
    at_ += 2;
  }

  Token make(Tok kind, size_t begin) const {
    Token t;
    t.kind = kind;
    t.text = text_.substr(begin, at_ - begin);
    t.line = line_;
    return t;
  }

  Token next() {
    const size_t begin = at_;
    if (at_ >= text_.size()) return make(Tok::end, begin);
    const char c = peek();
    if (is_start(c)) {
      ++at_;
      while (is_word(peek())) ++at_;
      return make(Tok::identifier, begin);
    }
    if (c == '.' && is_word(peek(1))) return directive(begin);
    if (std::isdigit(static_cast<unsigned char>(c))) return number(begin);
    if (c == '"') return string(begin);
    ++at_;
    return make(Tok::punctuation, begin);
  }

  Token directive(size_t begin) {
    ++at_;
    while (is_word(peek()) || (peek() == ':' && peek(1) == ':' && is_word(peek(2))))
      at_ += peek() == ':' ? 2 : 1;
    return make(Tok::directive, begin);
  }

  Token string(size_t begin) {
    ++at_;
    while (at_ < text_.size() && peek() != '"' && peek() != '\n') at_ += peek() == '\\' ? 2 : 1;
    if (peek() != '"') throw PtxError(line_, "string is not closed");
    ++at_;
    Token t = make(Tok::string, begin);
    t.text = t.text.substr(1, t.text.size() - 2);
    return t;
  }

  Token hex_float(size_t begin, size_t digits, Tok kind) {
    at_ += 2;
    uint64_t bits = 0;
    for (size_t i = 0; i < digits; ++i, ++at_) {
      if (!std::isxdigit(static_cast<unsigned char>(peek())))
        throw PtxError(line_, "malformed floating constant");
      const char c = peek();
      bits = bits << 4 | static_cast<uint64_t>(
                             std::isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 32) - 'a' + 10);
    }
    Token t = make(kind, begin);
    t.bits = bits;
    return t;
  }

  Token number(size_t begin) {
    if (peek() == '0' && (peek(1) == 'f' || peek(1) == 'F')) return hex_float(begin, 8, Tok::real32);
    if (peek() == '0' && (peek(1) == 'd' || peek(1) == 'D')) return hex_float(begin, 16, Tok::real64);
    int base = 10;
    if (peek() == '0' && (peek(1) | 32) == 'x')
      base = 16, at_ += 2;
    else if (peek() == '0' && (peek(1) | 32) == 'b')
      base = 2, at_ += 2;
    else if (peek() == '0' && std::isdigit(static_cast<unsigned char>(peek(1))))
      base = 8;
    const size_t digits = at_;
    while (base == 16 ? std::isxdigit(static_cast<unsigned char>(peek()))
                      : std::isdigit(static_cast<unsigned char>(peek())))
      ++at_;
    const bool fraction = peek() == '.' && std::isdigit(static_cast<unsigned char>(peek(1)));
    if (base == 10 || base == 8) {
      if (fraction || peek() == '.' || (peek() | 32) == 'e') return decimal_float(begin);
    }
    const std::string text(text_.substr(digits, at_ - digits));
    const uint64_t value = std::strtoull(text.c_str(), nullptr, base);
    if (peek() == 'U' || peek() == 'u') ++at_;
    Token t = make(Tok::integer, begin);
    t.bits = value;
    return t;
  }

  Token decimal_float(size_t begin) {
    const std::string text(text_.substr(begin, 64));
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    at_ = begin + static_cast<size_t>(end - text.c_str());
    Token t = make(Tok::real64, begin);
    t.bits = std::bit_cast<uint64_t>(value);
    return t;
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<Token> lex(std::string_view text) { return Lexer(text).run(); }

}  // namespace softgpu
