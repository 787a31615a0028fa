// SPDX-License-Identifier: BSD-3-Clause
#include "config.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace softgpu::driver {
namespace {

constexpr int kMostDevices = 32;  // access masks are 32 bits wide

std::optional<size_t> parse_number(std::string_view text) {
  size_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool complain(const char* variable, const char* value, const char* expected) {
  std::fprintf(stderr, "softgpu: %s=%s is not %s\n", variable, value, expected);
  return false;
}

bool read_devices(Config* config) {
  const char* text = std::getenv("SOFTGPU_DEVICES");
  if (!text || !*text) return true;
  std::optional<size_t> count = parse_number(text);
  if (!count || *count > kMostDevices) return complain("SOFTGPU_DEVICES", text, "a number from 0 to 32");
  config->devices = static_cast<int>(*count);
  return true;
}

bool read_memory(Config* config) {
  const char* text = std::getenv("SOFTGPU_MEMORY");
  if (!text || !*text) return true;
  std::optional<size_t> bytes = parse_size(text);
  constexpr size_t most = size_t{1} << 42;  // beyond 4 TiB a few devices would fill the address space
  if (!bytes || *bytes == 0 || *bytes > most) {
    return complain("SOFTGPU_MEMORY", text, "a size such as 8GiB, 655MiB or a number of bytes, at most 4TiB");
  }
  config->memory_bytes = *bytes;
  return true;
}

bool read_compute_capability(Config* config) {
  const char* text = std::getenv("SOFTGPU_COMPUTE_CAPABILITY");
  if (!text || !*text) return true;
  std::string_view view = text;
  size_t dot = view.find('.');
  std::optional<size_t> major = parse_number(view.substr(0, dot));
  std::optional<size_t> minor =
      dot == std::string_view::npos ? std::nullopt : parse_number(view.substr(dot + 1));
  if (!major || !minor || *major < 5 || *major > 12 || *minor > 9) {
    return complain("SOFTGPU_COMPUTE_CAPABILITY", text, "a compute capability such as 8.6");
  }
  config->compute_capability = {static_cast<int>(*major), static_cast<int>(*minor)};
  return true;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return result;
}

// The ordinal an entry of CUDA_VISIBLE_DEVICES means, or -1.
int match_device(std::string_view entry, const std::vector<std::string>& uuids) {
  if (std::optional<size_t> ordinal = parse_number(entry)) {
    return *ordinal < uuids.size() ? static_cast<int>(*ordinal) : -1;
  }
  std::string prefix = lower(entry);
  if (prefix.rfind("gpu-", 0) != 0) return -1;
  int match = -1;
  for (size_t i = 0; i < uuids.size(); ++i) {
    if (lower(uuids[i]).rfind(prefix, 0) != 0) continue;
    if (match >= 0) return -1;  // an abbreviation must be unique
    match = static_cast<int>(i);
  }
  return match;
}

std::string_view strip(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<size_t> parse_size(std::string_view text) {
  static constexpr std::pair<std::string_view, int> units[] = {
      {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}, {"K", 10}, {"M", 20}, {"G", 30}, {"T", 40}};
  int shift = 0;
  for (auto [unit, bits] : units) {
    if (text.size() <= unit.size() || !text.ends_with(unit)) continue;
    text.remove_suffix(unit.size());
    shift = bits;
    break;
  }
  std::optional<size_t> number = parse_number(strip(text));
  if (!number || *number > (std::numeric_limits<size_t>::max() >> shift)) return std::nullopt;
  return *number << shift;
}

std::optional<Config> read_config() {
  Config config;
  if (!read_devices(&config) || !read_memory(&config) || !read_compute_capability(&config))
    return std::nullopt;
  return config;
}

std::vector<int> visible_devices(const char* variable, const std::vector<std::string>& uuids) {
  std::vector<int> visible;
  if (!variable) {
    for (size_t i = 0; i < uuids.size(); ++i) visible.push_back(static_cast<int>(i));
    return visible;
  }
  std::string_view rest = variable;
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    int ordinal = match_device(strip(rest.substr(0, comma)), uuids);
    if (ordinal < 0) break;
    if (std::find(visible.begin(), visible.end(), ordinal) != visible.end())
      return {};  // named twice: no device
    visible.push_back(ordinal);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return visible;
}

}  // namespace softgpu::driver
