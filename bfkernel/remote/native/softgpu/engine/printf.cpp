// SPDX-License-Identifier: BSD-3-Clause
#include "engine/printf.h"

#include <cctype>
#include <cstdio>
#include <cstring>

namespace softgpu {
namespace {

template <class... Args>
void append(std::string* out, const std::string& spec, Args... args) {
  char small[128];
  const int n = std::snprintf(small, sizeof small, spec.c_str(), args...);
  if (n < 0) return;
  if (static_cast<size_t>(n) < sizeof small) {
    out->append(small, static_cast<size_t>(n));
    return;
  }
  std::string big(static_cast<size_t>(n) + 1, '\0');
  std::snprintf(big.data(), big.size(), spec.c_str(), args...);
  big.pop_back();
  *out += big;
}

}  // namespace

std::string format_printf(const std::string& format, const std::function<bool(uint32_t, void*)>& argument,
                          const std::function<bool(uint64_t, std::string*)>& text) {
  std::string out;
  size_t i = 0;
  while (i < format.size()) {
    if (format[i] != '%') {
      out += format[i++];
      continue;
    }
    const size_t begin = i++;
    std::string spec = "%";
    while (i < format.size() && std::strchr("-+ #0", format[i]) != nullptr) spec += format[i++];
    const auto number = [&] {
      if (i < format.size() && format[i] == '*') {
        int32_t value = 0;
        argument(4, &value);
        spec += std::to_string(value);
        ++i;
      }
      while (i < format.size() && std::isdigit(static_cast<unsigned char>(format[i]))) spec += format[i++];
    };
    number();
    if (i < format.size() && format[i] == '.') {
      spec += format[i++];
      number();
    }
    bool wide = false;
    while (i < format.size() && std::strchr("hlLqjzt", format[i]) != nullptr) {
      wide = wide || format[i] != 'h';
      ++i;
    }
    if (i >= format.size()) {
      out += format.substr(begin);
      break;
    }
    const char kind = format[i++];
    switch (kind) {
      case '%':
        out += '%';
        break;
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': {
        uint64_t value = 0;
        uint32_t narrow = 0;
        argument(wide ? 8 : 4, wide ? static_cast<void*>(&value) : &narrow);
        const bool is_signed = kind == 'd' || kind == 'i';
        if (!wide)
          value =
              is_signed ? static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(narrow))) : narrow;
        append(&out, spec + "ll" + kind, value);
        break;
      }
      case 'c': {
        int32_t value = 0;
        argument(4, &value);
        append(&out, spec + "c", value);
        break;
      }
      case 'p': {
        uint64_t value = 0;
        argument(8, &value);
        append(&out, spec + "p", reinterpret_cast<void*>(value));
        break;
      }
      case 's': {
        uint64_t address = 0;
        argument(8, &address);
        std::string value;
        if (address == 0 || !text(address, &value)) value = "(null)";
        append(&out, spec + "s", value.c_str());
        break;
      }
      case 'f':
      case 'F':
      case 'e':
      case 'E':
      case 'g':
      case 'G':
      case 'a':
      case 'A': {
        double value = 0;
        argument(8, &value);
        append(&out, spec + kind, value);
        break;
      }
      default:
        out += format.substr(begin, i - begin);
        break;
    }
  }
  return out;
}

}  // namespace softgpu
