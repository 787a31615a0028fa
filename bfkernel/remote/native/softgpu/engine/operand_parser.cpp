// SPDX-License-Identifier: BSD-3-Clause
#include "engine/operand_parser.h"

#include <algorithm>

namespace softgpu {

Operand OperandParser::operand() {
  Operand o = single();
  if (accept("|")) {
    const bool vector = o.kind == Operand::Kind::vector;  // {a, b, c, d}|p of a texture
    if (o.kind == Operand::Kind::sink) o.name = "_";
    if (!vector) o.kind = Operand::Kind::name;
    const Operand second = single();
    o.pair = second.kind == Operand::Kind::sink ? "_" : second.name;
  }
  return o;
}

Operand OperandParser::single() {
  const Token& t = peek();
  if (t.is("{")) return grouped(Operand::Kind::vector, "}");
  if (t.is("(") && calling_) return grouped(Operand::Kind::list, ")");
  if (t.is("[")) return address();
  Operand o;
  if (accept("!")) o.negated = true;
  if (peek().kind == Tok::identifier) {
    o.name = identifier();
    o.kind = o.name == "_" ? Operand::Kind::sink : Operand::Kind::name;
    if (peek().kind == Tok::directive && peek().joined) o.component = std::string(take().text.substr(1));
    while (peek().is("+") || (peek().is("-") && peek(1).kind == Tok::integer)) {
      const bool minus = take().is("-");
      const int64_t n = integer();
      o.offset += minus ? -n : n;
    }
    if (o.name == "WARP_SZ") o.kind = Operand::Kind::integer, o.bits = 32;
    return o;
  }
  return constant();
}

// "(3*4+1)": operators bind as in C; all values are 64-bit integers.
int64_t OperandParser::expression(int level) {
  static const std::vector<std::vector<std::string_view>> levels = {{"|"},      {"^"},      {"&"},
                                                                    {"<", ">"}, {"+", "-"}, {"*", "/", "%"}};
  if (level == static_cast<int>(levels.size())) return factor();
  int64_t value = expression(level + 1);
  for (;;) {
    const auto& operators = levels[static_cast<size_t>(level)];
    const auto op =
        std::find_if(operators.begin(), operators.end(), [&](std::string_view o) { return peek().is(o); });
    if (op == operators.end()) return value;
    take();
    if (*op == "<" || *op == ">") expect(*op);  // << and >> arrive as two tokens
    const int64_t right = expression(level + 1);
    if ((*op == "/" || *op == "%") && right == 0) fail("a division by zero");
    switch ((*op)[0]) {
      case '|':
        value |= right;
        break;
      case '^':
        value ^= right;
        break;
      case '&':
        value &= right;
        break;
      case '<':
        value = static_cast<int64_t>(static_cast<uint64_t>(value) << (right & 63));
        break;
      case '>':
        value >>= right & 63;
        break;
      case '+':
        value += right;
        break;
      case '-':
        value -= right;
        break;
      case '*':
        value *= right;
        break;
      case '/':
        value /= right;
        break;
      default:
        value %= right;
        break;
    }
  }
}

int64_t OperandParser::factor() {
  if (accept("-")) return -factor();
  if (accept("~")) return ~factor();
  if (accept("!")) return factor() == 0;
  if (accept("(")) {
    const int64_t value = expression();
    expect(")");
    return value;
  }
  return integer();
}

Operand OperandParser::constant() {
  Operand o;
  if (peek().is("(") || (peek().is("-") && peek(1).is("("))) {
    o.kind = Operand::Kind::integer;
    o.bits = static_cast<uint64_t>(factor());
    return o;
  }
  const bool minus = accept("-");
  if (minus && peek().kind == Tok::identifier) {
    o.kind = Operand::Kind::name;
    o.negated = true;
    o.name = identifier();
    return o;
  }
  const bool invert = accept("~");
  const Token& t = take();
  o.bits = t.bits;
  if (t.kind == Tok::integer) {
    o.kind = Operand::Kind::integer;
    if (minus) o.bits = ~o.bits + 1;
    if (invert) o.bits = ~o.bits;
  } else if (t.kind == Tok::real32 || t.kind == Tok::real64) {
    o.kind = t.kind == Tok::real32 ? Operand::Kind::real32 : Operand::Kind::real64;
    if (minus) o.bits ^= t.kind == Tok::real32 ? 1ull << 31 : 1ull << 63;
  } else {
    throw PtxError(t.line, "syntax error: unexpected '" + std::string(t.text) + "'");
  }
  return o;
}

Operand OperandParser::grouped(Operand::Kind kind, std::string_view close) {
  Operand o;
  o.kind = kind;
  take();
  while (!accept(close)) {
    o.items.push_back(operand());
    if (!peek().is(close)) expect(",");
  }
  return o;
}

Operand OperandParser::address() {
  Operand o;
  o.kind = Operand::Kind::address;
  take();
  if (peek().kind == Tok::identifier) o.name = identifier();
  while (!peek().is("]")) {
    if (accept(",")) {
      o.items.push_back(operand());
      continue;
    }
    const bool minus = accept("-");
    if (!minus) accept("+");
    if (accept("-"))
      o.offset -= integer();
    else if (minus)
      o.offset -= integer();
    else
      o.offset += integer();
  }
  expect("]");
  return o;
}

}  // namespace softgpu
