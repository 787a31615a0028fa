// SPDX-License-Identifier: BSD-3-Clause
#include "image.h"

#include <cctype>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "elf_file.h"
#include "fatbin.h"

namespace softgpu::driver {
namespace {

constexpr std::string_view kLinkedMagic = "//softgpu-linked 1\n";
constexpr std::string_view kRegistersMark = "//softgpu-registers ";
constexpr std::string_view kTextMark = "//softgpu-text ";

[[noreturn]] void refuse(JitLog* log, CUresult code, std::string why) {
  log->error += why + "\n";
  fail(code);
}

// Texts are delimited by their sizes, so that nothing in them has to be escaped.
Code split_linked(std::string_view rest, JitLog* log) {
  Code code;
  rest.remove_prefix(kLinkedMagic.size());
  if (rest.starts_with(kRegistersMark)) {
    rest.remove_prefix(kRegistersMark.size());
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), code.max_registers);
    const size_t digits = end - rest.data();
    if (error == std::errc{} && digits < rest.size()) rest.remove_prefix(digits + 1);
  }
  while (rest.starts_with(kTextMark)) {
    rest.remove_prefix(kTextMark.size());
    size_t size = 0;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), size);
    size_t digits = end - rest.data();
    if (error != std::errc{} || rest.size() < digits + 1 || size > rest.size() - digits - 1) break;
    code.ptx.emplace_back(rest.substr(digits + 1, size));
    rest.remove_prefix(digits + 1 + size);
  }
  if (!rest.empty() || code.ptx.empty()) refuse(log, CUDA_ERROR_INVALID_IMAGE, "the linked image is damaged");
  return code;
}

bool looks_like_text(std::string_view text) {
  for (unsigned char c : text.substr(0, 64)) {
    if (!std::isprint(c) && !std::isspace(c)) return false;
  }
  return !text.empty();
}

// The highest target that a PTX text names, e.g. 80; nothing when it names none.
std::optional<int> target_of(std::string_view ptx) {
  size_t at = ptx.find("\n.target");
  if (at == std::string_view::npos && ptx.starts_with(".target")) at = 0;
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view line = ptx.substr(at, ptx.find('\n', at + 1) - at);
  size_t sm = line.find("sm_");
  if (sm == std::string_view::npos) return std::nullopt;
  int target = 0;
  line.remove_prefix(sm + 3);
  if (std::from_chars(line.data(), line.data() + line.size(), target).ec != std::errc{}) return std::nullopt;
  return target;
}

void check_target(std::string_view ptx, std::array<int, 2> compute_capability, JitLog* log) {
  int device = compute_capability[0] * 10 + compute_capability[1];
  std::optional<int> target = target_of(ptx);
  if (!target || *target <= device) return;
  refuse(log, CUDA_ERROR_INVALID_PTX,
         ".target sm_" + std::to_string(*target) + " is newer than this device, which is sm_" +
             std::to_string(device));
}

Code read_elf(const void* image, size_t size, std::array<int, 2> compute_capability, JitLog* log) {
  const auto* begin = static_cast<const std::byte*>(image);
  CubinBytes cubin(begin, begin + (size ? size : ElfFile::measure(image)));
  const int target = cubin_target(cubin);
  if (target == 0) refuse(log, CUDA_ERROR_INVALID_IMAGE, "the image is an ELF file, but no cubin");
  if (!cubin_serves(target, compute_capability)) {
    refuse(log, CUDA_ERROR_NO_BINARY_FOR_GPU,
           "this cubin is for sm_" + std::to_string(target) + ", and the device is sm_" +
               std::to_string(compute_capability[0] * 10 + compute_capability[1]));
  }
  return {{}, {std::move(cubin)}};
}

Code read_text(const void* image, size_t size, std::array<int, 2> compute_capability, JitLog* log) {
  const char* begin = static_cast<const char*>(image);
  std::string_view text(begin, size ? strnlen(begin, size) : std::strlen(begin));
  if (!looks_like_text(text))
    refuse(log, CUDA_ERROR_INVALID_IMAGE, "the image is neither PTX nor a cubin nor a fat binary");
  Code code = text.starts_with(kLinkedMagic) ? split_linked(text, log) : Code{{std::string(text)}, {}};
  for (const std::string& ptx : code.ptx) check_target(ptx, compute_capability, log);
  return code;
}

}  // namespace

Code read_image(const void* image, size_t size, std::array<int, 2> compute_capability, JitLog* log) {
  if (is_fatbin(image)) return read_fatbin(image, compute_capability, log);
  if (std::memcmp(image, "\177ELF", 4) == 0) return read_elf(image, size, compute_capability, log);
  return read_text(image, size, compute_capability, log);
}

std::vector<std::string> ptx_texts(const void* image, size_t size, std::array<int, 2> compute_capability,
                                   JitLog* log) {
  Code code = read_image(image, size, compute_capability, log);
  if (code.ptx.empty()) {
    refuse(log, CUDA_ERROR_NO_BINARY_FOR_GPU,
           "softgpu links PTX: this image is machine code and has no PTX in it");
  }
  return std::move(code.ptx);
}

std::string join_linked(const std::vector<std::string>& texts, int max_registers) {
  std::string joined(kLinkedMagic);
  joined += kRegistersMark;
  joined += std::to_string(max_registers) + "\n";
  for (const std::string& text : texts) {
    joined += kTextMark;
    joined += std::to_string(text.size()) + "\n" + text;
  }
  return joined;
}

}  // namespace softgpu::driver
