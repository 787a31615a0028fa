// SPDX-License-Identifier: BSD-3-Clause
#include "wire/json.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace wire::json {
namespace {

constexpr int kMaxDepth = 32;

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Value document() {
    Value value = element(0);
    blanks();
    if (at_ != text_.size()) fail("something follows the value");
    return value;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw Error("not JSON at byte " + std::to_string(at_) + ": " + what);
  }
  void blanks() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool accept(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char c, const char* what) {
    if (!accept(c)) fail(what);
  }
  bool accept_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Value element(int depth) {
    if (depth > kMaxDepth) fail("nested too deeply");
    blanks();
    switch (peek()) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return string();
      case 't':
        if (accept_word("true")) return true;
        break;
      case 'f':
        if (accept_word("false")) return false;
        break;
      case 'n':
        if (accept_word("null")) return nullptr;
        break;
      default:
        return number();
    }
    fail("an unknown word");
  }

  Value object(int depth) {
    Object out;
    ++at_;
    blanks();
    if (accept('}')) return out;
    do {
      blanks();
      if (peek() != '"') fail("a field name must be a string");
      std::string key = string();
      blanks();
      expect(':', "':' expected");
      out.insert_or_assign(std::move(key), element(depth + 1));
      blanks();
    } while (accept(','));
    expect('}', "'}' expected");
    return out;
  }

  Value array(int depth) {
    Array out;
    ++at_;
    blanks();
    if (accept(']')) return out;
    do {
      out.push_back(element(depth + 1));
      blanks();
    } while (accept(','));
    expect(']', "']' expected");
    return out;
  }

  std::string string() {
    std::string out;
    ++at_;
    while (true) {
      if (at_ >= text_.size()) fail("a string does not end");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      if (c == '\\')
        escape(out);
      else
        out += c;
    }
  }

  void escape(std::string& out) {
    const char c = peek();
    ++at_;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        return;
      case 'b':
        out += '\b';
        return;
      case 'f':
        out += '\f';
        return;
      case 'n':
        out += '\n';
        return;
      case 'r':
        out += '\r';
        return;
      case 't':
        out += '\t';
        return;
      case 'u':
        break;
      default:
        fail("an unknown escape");
    }
    uint32_t code = hex4();
    if (code >= 0xDC00 && code < 0xE000) fail("half a surrogate pair");
    if (code >= 0xD800 && code < 0xDC00) {
      if (!accept_word("\\u")) fail("half a surrogate pair");
      const uint32_t low = hex4();
      if (low < 0xDC00 || low >= 0xE000) fail("half a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, code);
  }

  uint32_t hex4() {
    uint32_t code = 0;
    const std::string_view digits = text_.substr(std::min(at_, text_.size()), 4);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
    if (error != std::errc{} || digits.size() != 4 || end != digits.data() + 4)
      fail("four hexadecimal digits expected");
    at_ += 4;
    return code;
  }

  void digits() {
    if (peek() < '0' || peek() > '9') fail("a digit expected");
    while (peek() >= '0' && peek() <= '9') ++at_;
  }

  Value number() {
    const size_t begin = at_;
    accept('-');
    if (!accept('0')) digits();
    if (accept('.')) digits();
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!accept('+')) accept('-');
      digits();
    }
    double value = 0;
    std::from_chars(text_.data() + begin, text_.data() + at_, value);
    return value;
  }

  std::string_view text_;
  size_t at_ = 0;
};

void write_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x", c);
      out += buffer;
    } else {
      out += c;
    }
  }
  out += '"';
}

void write(std::string& out, const Value& value) {
  if (const bool* truth = value.boolean()) {
    out += *truth ? "true" : "false";
  } else if (const double* number = value.number()) {
    char buffer[32];
    const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, *number);
    out.append(buffer, std::isfinite(*number) ? end : buffer);
    if (!std::isfinite(*number)) out += "null";
  } else if (const std::string* text = value.string()) {
    write_string(out, *text);
  } else if (const Array* array = value.array()) {
    out += '[';
    for (size_t i = 0; i < array->size(); ++i) {
      if (i) out += ", ";
      write(out, (*array)[i]);
    }
    out += ']';
  } else if (const Object* object = value.object()) {
    out += '{';
    const char* separator = "";
    for (const auto& [key, field] : *object) {
      out += separator;
      separator = ", ";
      write_string(out, key);
      out += ": ";
      write(out, field);
    }
    out += '}';
  } else {
    out += "null";
  }
}

}  // namespace

const Value& Value::operator[](std::string_view key) const {
  static const Value null;
  const Object* fields = object();
  if (!fields) return null;
  const auto found = fields->find(key);
  return found == fields->end() ? null : found->second;
}

std::string Value::text(std::string_view otherwise) const {
  return string() ? *string() : std::string(otherwise);
}

int64_t Value::integer(int64_t otherwise) const {
  const double* value = number();
  return value && std::abs(*value) < 9e15 ? static_cast<int64_t>(*value) : otherwise;
}

bool Value::truth(bool otherwise) const { return boolean() ? *boolean() : otherwise; }

std::string Value::dump() const {
  std::string out;
  write(out, *this);
  return out;
}

Value parse(std::string_view text) { return Parser(text).document(); }

}  // namespace wire::json
