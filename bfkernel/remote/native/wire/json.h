// SPDX-License-Identifier: BSD-3-Clause
// JSON, as far as greetings and lease files need it: strict (RFC 8259), with a limit on depth.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace wire::json {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Value;
using Array = std::vector<Value>;
using Object = std::map<std::string, Value, std::less<>>;

class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(int value) : data_(double(value)) {}
  Value(int64_t value) : data_(double(value)) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(Array value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  const std::string* string() const { return std::get_if<std::string>(&data_); }
  const double* number() const { return std::get_if<double>(&data_); }
  const bool* boolean() const { return std::get_if<bool>(&data_); }
  const Array* array() const { return std::get_if<Array>(&data_); }
  const Object* object() const { return std::get_if<Object>(&data_); }

  // A field of an object, or null where this is none or has no such field.
  const Value& operator[](std::string_view key) const;
  // The text, number or truth value, or `otherwise` where this is something else.
  std::string text(std::string_view otherwise = "") const;
  int64_t integer(int64_t otherwise = 0) const;
  bool truth(bool otherwise = false) const;

  std::string dump() const;

 private:
  std::variant<std::monostate, bool, double, std::string, Array, Object> data_;
};

// Throws Error, saying at which byte, for anything that is not exactly one JSON value.
Value parse(std::string_view text);

}  // namespace wire::json
