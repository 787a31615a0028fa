// SPDX-License-Identifier: BSD-3-Clause
// Scopes of one function: registers, variables, labels.
#include <algorithm>
#include <charconv>

#include "engine/decoder.h"

namespace softgpu {

uint32_t Decoder::new_register(uint32_t bytes) {
  registers_.push_back({std::max(bytes, 2u)});
  return static_cast<uint32_t>(registers_.size() - 1) * 4;
}

int Decoder::new_label() {
  labels_.push_back(SIZE_MAX);
  return static_cast<int>(labels_.size() - 1);
}

void Decoder::place_label(int label) { labels_[static_cast<size_t>(label)] = code_.size(); }

uint32_t Decoder::local_space(size_t size, size_t alignment) {
  const size_t a = std::max<size_t>(alignment, 1);
  const size_t at = (out_->local_bytes + a - 1) / a * a;
  out_->local_bytes = static_cast<uint32_t>(at + size);
  return static_cast<uint32_t>(at);
}

void Decoder::declare(const Variable& v) {
  Scope& scope = scopes_.back();
  if (v.space == Space::reg) {
    if (v.count > 0) {
      scope.ranges.insert_or_assign(v.name, Range{v.type, v.count});
    } else if (v.lanes > 1) {
      static const char* components[] = {".x", ".y", ".z", ".w"};
      for (int i = 0; i < v.lanes && i < 4; ++i)
        scope.registers.insert_or_assign(v.name + components[i],
                                         new_register(static_cast<uint32_t>(v.type.bytes())));
    } else {
      scope.registers.insert_or_assign(v.name, new_register(static_cast<uint32_t>(v.type.bytes())));
    }
    return;
  }
  if (v.space == Space::local || v.space == Space::param) {
    for (int i = 0; i < std::max(v.count, 1); ++i) {
      const std::string name = v.count > 0 ? v.name + std::to_string(i) : v.name;
      scope.locals.insert_or_assign(
          name, Local{Space::local, local_space(v.bytes(), v.alignment), static_cast<uint32_t>(v.bytes())});
    }
    return;
  }
  if (v.space == Space::shared) {
    const uint64_t a = std::max<size_t>(v.alignment, 1);
    uint64_t& end = scoped_shared_;
    Local local{Space::shared, 0, static_cast<uint32_t>(v.bytes())};
    if (v.linkage == Linkage::external || v.unsized) {
      local.shared = out_->dynamic_shared_base;
    } else {
      if (!out_->entry) fail("a .shared variable inside a .func");
      local.shared = (end + a - 1) / a * a;
      end = local.shared + v.bytes();
    }
    scope.locals.insert_or_assign(v.name, local);
    return;
  }
  fail("a variable of this state space cannot be declared inside a function");
}

void Decoder::declare_params() {
  Scope& scope = scopes_.back();
  if (out_->entry) {
    size_t at = 0;
    for (const Variable& v : decl_.signature.params) {
      const size_t a = std::max<size_t>(v.alignment, 1);
      at = (at + a - 1) / a * a;
      scope.locals.insert_or_assign(
          v.name, Local{Space::param, static_cast<uint32_t>(at), static_cast<uint32_t>(v.bytes()), true});
      out_->info.params.push_back({at, v.bytes()});
      at += v.bytes();
    }
    out_->info.param_bytes = at;
    return;
  }
  const auto formal = [&](const Variable& v, std::vector<Slot>* slots, std::vector<uint32_t>* registers) {
    Slot slot;
    slot.size = static_cast<uint32_t>(v.bytes());
    if (v.space == Space::reg) {
      const uint32_t r = new_register(slot.size);
      scope.registers.insert_or_assign(v.name, r);
      slot.row = r;
      registers->push_back(r);
    } else {
      slot.offset = local_space(slot.size, std::max<size_t>(v.alignment, 8));
      scope.locals.insert_or_assign(v.name, Local{Space::local, slot.offset, slot.size});
    }
    slots->push_back(slot);
  };
  for (const Variable& v : decl_.signature.params) formal(v, &out_->params, &entry_registers_);
  for (const Variable& v : decl_.signature.returns) formal(v, &out_->results, &result_registers_);
}

std::optional<uint32_t> Decoder::find_register(const std::string& name) {
  size_t digits = name.size();
  while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') --digits;
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto it = scope->registers.find(name); it != scope->registers.end()) return it->second;
    if (digits == name.size()) continue;
    // %r12 of ".reg .b32 %r<20>": made when it is first named. Prefixes may themselves end in digits.
    for (size_t split = digits; split < name.size(); ++split) {
      const auto it = scope->ranges.find(name.substr(0, split));
      if (it == scope->ranges.end()) continue;
      int number = -1;
      std::from_chars(name.data() + split, name.data() + name.size(), number);
      if (number < 0 || number >= it->second.count) continue;
      const uint32_t r = new_register(static_cast<uint32_t>(it->second.type.bytes()));
      scope->registers.emplace(name, r);
      return r;
    }
  }
  return std::nullopt;
}

const Decoder::Local* Decoder::find_local(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto it = scope->locals.find(name); it != scope->locals.end()) return &it->second;
  }
  return nullptr;
}

int Decoder::find_label(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto it = scope->labels.find(name); it != scope->labels.end()) return it->second;
  }
  fail("unknown label '" + name + "'");
}

const Statement* Decoder::find_table(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (const auto it = scope->tables.find(name); it != scope->tables.end()) return it->second;
  }
  return nullptr;
}

const Symbol& Decoder::symbol(const std::string& name) const {
  const Symbol* s = linker_.find(module_, name);
  if (s == nullptr) fail("unresolved symbol '" + name + "'");
  return *s;
}

}  // namespace softgpu
