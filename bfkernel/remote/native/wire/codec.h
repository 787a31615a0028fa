// SPDX-License-Identifier: BSD-3-Clause
// Payloads as bytes: Encoder appends fields, Decoder reads them back and never past the end.
//
// Both are visitors: a message has one `template <class A> void fields(A& a) { a(x, y, z); }`, which serves
// for writing and for reading, so that the two cannot disagree.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace wire {

// What came in is not what this side understands; the connection that sent it ends.
struct Malformed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using Bytes = std::span<const std::byte>;  // borrowed: valid as long as the frame it was decoded from

template <class T>
concept Scalar = std::is_arithmetic_v<T> || std::is_enum_v<T>;

// A struct that travels as it lies in memory: CUDA's own plain structs (CUuuid, CUmemLocation, …). A message
// of ours has fields(), so it never matches.
template <class T, class A>
concept Fielded = requires(T& value, A& a) { value.fields(a); };

class Encoder {
 public:
  explicit Encoder(std::vector<std::byte>& out) : out_(out) {}

  template <class... T>
  void operator()(const T&... values) {
    (put(values), ...);
  }

  void raw(const void* data, size_t size) {
    if (size > 0) std::memcpy(reserve(size), data, size);
  }

  // Room for `size` bytes at the end, to be filled by the caller before anything else is appended.
  std::byte* reserve(size_t size) {
    const size_t at = out_.size();
    out_.resize(at + size);
    return out_.data() + at;
  }

  size_t size() const { return out_.size(); }

 private:
  template <Scalar T>
  void put(const T& value) {
    raw(&value, sizeof value);
  }
  void put(const Bytes& value) {
    put(static_cast<uint64_t>(value.size()));
    raw(value.data(), value.size());
  }
  void put(const std::vector<std::byte>& value) { put(Bytes(value)); }
  void put(const std::string_view& value) {
    put(static_cast<uint32_t>(value.size()));
    raw(value.data(), value.size());
  }
  void put(const std::string& value) { put(std::string_view(value)); }
  template <class T>
  void put(const std::vector<T>& values) {
    put(static_cast<uint32_t>(values.size()));
    for (const T& value : values) put(value);
  }
  template <class T, size_t N>
  void put(const std::array<T, N>& values) {
    for (const T& value : values) put(value);
  }
  template <class T>
    requires Fielded<T, Encoder>
  void put(const T& message) {
    const_cast<T&>(message).fields(*this);  // fields() only reads when an Encoder visits
  }

  std::vector<std::byte>& out_;
};

class Decoder {
 public:
  explicit Decoder(Bytes payload) : rest_(payload) {}

  template <class... T>
  void operator()(T&... values) {
    (get(values), ...);
  }

  template <class T>
  T take() {
    T value{};
    get(value);
    return value;
  }

  // The next `size` bytes, borrowed.
  Bytes raw(uint64_t size) {
    if (size > rest_.size()) throw Malformed("a payload ends before its last field");
    Bytes out = rest_.first(size);
    rest_ = rest_.subspan(size);
    return out;
  }

  size_t remaining() const { return rest_.size(); }

  // Called after the last field: what is left over means that the two sides disagree about the message.
  void end() const {
    if (!rest_.empty()) throw Malformed("a payload is longer than its fields");
  }

 private:
  template <Scalar T>
  void get(T& value) {
    std::memcpy(&value, raw(sizeof value).data(), sizeof value);
  }
  void get(Bytes& value) { value = raw(take<uint64_t>()); }
  void get(std::vector<std::byte>& value) {
    const Bytes bytes = take<Bytes>();
    value.assign(bytes.begin(), bytes.end());
  }
  void get(std::string_view& value) {
    const Bytes bytes = raw(take<uint32_t>());
    value = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void get(std::string& value) { value = take<std::string_view>(); }
  template <class T>
  void get(std::vector<T>& values) {
    const auto count = take<uint32_t>();
    // Every element takes at least a byte, so a count that lies cannot make us reserve more than was sent.
    if (count > rest_.size()) throw Malformed("a list is longer than its payload");
    values.clear();
    values.reserve(count);
    for (uint32_t i = 0; i < count; ++i) values.push_back(take<T>());
  }
  template <class T, size_t N>
  void get(std::array<T, N>& values) {
    for (T& value : values) get(value);
  }
  template <class T>
    requires Fielded<T, Decoder>
  void get(T& message) {
    message.fields(*this);
  }

  Bytes rest_;
};

}  // namespace wire
