// SPDX-License-Identifier: BSD-3-Clause
#include "worker/ptx_params.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace worker {
namespace {

// PTX as a row of words and single characters, without comments.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  // Empty at the end.
  std::string_view next() {
    skip_space();
    if (rest_.empty()) return {};
    std::size_t size = 0;
    while (size < rest_.size() && is_word(rest_[size])) ++size;
    return cut(std::max<std::size_t>(size, 1));
  }

 private:
  static bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
  }
  std::string_view cut(std::size_t size) {
    const std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return word;
  }
  void skip_space() {
    for (;;) {
      std::size_t size = 0;
      while (size < rest_.size() && std::isspace(static_cast<unsigned char>(rest_[size]))) ++size;
      rest_.remove_prefix(size);
      if (rest_.starts_with("//")) {
        rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      } else if (rest_.starts_with("/*")) {
        const std::size_t end = rest_.find("*/", 2);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 2);
      } else {
        return;
      }
    }
  }
  std::string_view rest_;
};

std::optional<std::uint32_t> number(std::string_view word) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// ".u64", ".f16x2", ".b8": bits from the digits.
std::optional<std::uint32_t> type_bytes(std::string_view word) {
  if (word.size() < 3 || word[0] != '.') return std::nullopt;
  if (word == ".f16x2" || word == ".bf16x2") return 4;
  const std::string_view digits = word.substr(word.starts_with(".bf") ? 3 : 2);
  if (std::string_view("busf").find(word[1]) == std::string_view::npos) return std::nullopt;
  const auto bits = number(digits);
  if (!bits || *bits % 8 != 0 || *bits > 128) return std::nullopt;
  return *bits / 8;
}

// One parameter, up to the comma or bracket after it; `end` is that character.
std::optional<wire::KernelParam> param(Words& words, std::uint32_t offset, std::string_view& end) {
  std::uint32_t alignment = 0, element = 0, count = 1;
  bool pointee = false;  // ".ptr .global .align 4" speaks of what the parameter points to
  for (std::string_view word = words.next();; word = words.next()) {
    if (word.empty()) return std::nullopt;
    if (word == "," || word == ")") {
      end = word;
      break;
    }
    if (word == ".ptr") {
      pointee = true;
    } else if (word == ".align") {
      const auto value = number(words.next());
      if (!value) return std::nullopt;
      if (!pointee) alignment = *value;
    } else if (word == "[") {
      const auto value = number(words.next());
      if (!value || words.next() != "]") return std::nullopt;
      count = *value;
    } else if (const auto bytes = type_bytes(word)) {
      element = *bytes;
    }
  }
  if (element == 0) return std::nullopt;
  alignment = std::max(alignment, element);
  return wire::KernelParam{(offset + alignment - 1) / alignment * alignment, element * count};
}

std::optional<std::vector<wire::KernelParam>> params(Words& words) {
  std::vector<wire::KernelParam> list;
  std::string_view word = words.next();
  if (word != "(") return list;  // a kernel without parameters
  Words ahead = words;
  if (ahead.next() == ")") return list;
  std::uint32_t offset = 0;
  for (std::string_view end; end != ")";) {
    const auto next = param(words, offset, end);
    if (!next) return std::nullopt;
    offset = next->offset + next->size;
    list.push_back(*next);
  }
  return list;
}

}  // namespace

ParamLayouts ptx_params(std::string_view ptx) {
  ParamLayouts layouts;
  Words words(ptx);
  for (std::string_view word = words.next(); !word.empty(); word = words.next()) {
    if (word != ".entry") continue;
    const std::string name(words.next());
    if (auto list = params(words)) layouts.insert_or_assign(name, std::move(*list));
  }
  return layouts;
}

}  // namespace worker
