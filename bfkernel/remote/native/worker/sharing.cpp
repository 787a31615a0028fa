// SPDX-License-Identifier: BSD-3-Clause
#include "worker/sharing.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "wire/greeting.h"

namespace worker {
namespace {

using wire::json::Object;
using wire::json::Value;

constexpr auto kAnswerLimit = std::chrono::seconds(10);
constexpr std::size_t kMostNamed = 65536;  // allocations, and events, that one process names to others

constexpr const char* kMemory = "memory";
constexpr const char* kEvent = "event";

// Whose handle it is, as the agent calls that worker.
std::string owner(const wire::IpcHandle& handle) {
  return std::string(handle.worker.data(), strnlen(handle.worker.data(), handle.worker.size()));
}

// JSON numbers are too short for the driver's 64 bytes.
Value words_of(const CUipcEventHandle& handle) {
  wire::json::Array words;
  for (std::size_t at = 0; at < sizeof handle.reserved; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, handle.reserved + at, sizeof word);
    words.emplace_back(wire::hex(word));
  }
  return words;
}

}  // namespace

wire::IpcHandle Sharing::name(std::uint64_t number, std::uint32_t what) const {
  wire::IpcHandle handle;
  const std::string& worker = control_.name();
  std::copy_n(worker.begin(), std::min(worker.size(), handle.worker.size()), handle.worker.begin());
  handle.number = number;
  handle.what = what;
  return handle;
}

CUresult Sharing::name_memory(std::uint64_t address, std::uint64_t length, wire::IpcHandle* handle) {
  if (control_.name().empty()) return CUDA_ERROR_NOT_SUPPORTED;
  const std::lock_guard lock(mutex_);
  if (named_.size() >= kMostNamed && !named_.contains(address)) return CUDA_ERROR_OUT_OF_MEMORY;
  named_[address] = length;
  *handle = name(address, wire::IpcHandle::kMemory);
  return CUDA_SUCCESS;
}

void Sharing::forget_memory(std::uint64_t address) {
  const std::lock_guard lock(mutex_);
  named_.erase(address);
}

wire::IpcHandle Sharing::name_event(std::uint64_t id, const CUipcEventHandle& handle) {
  const std::lock_guard lock(mutex_);
  if (events_.size() >= kMostNamed) events_.erase(events_.begin());  // the oldest
  events_[id] = handle;
  return name(id, wire::IpcHandle::kEvent);
}

CUresult Sharing::open_memory(const wire::IpcHandle& handle, wire::IpcOpenMemory::Reply& reply) {
  const std::string wanted = owner(handle) + "/" + wire::hex(handle.number);
  const std::lock_guard lock(opened_mutex_);
  if (const auto known = opened_by_name_.find(wanted); known != opened_by_name_.end()) {
    Opened& opened = opened_[known->second];
    ++opened.times;
    reply = opened.reply;
    return CUDA_SUCCESS;
  }
  // CUDA opens what another process has named, never what this one has.
  if (owner(handle) == control_.name()) return CUDA_ERROR_INVALID_CONTEXT;
  const auto answer = ask(handle);
  if (!answer || !answer->file) return CUDA_ERROR_INVALID_VALUE;
  const Memory::Shared where{.size = wire::parse_hex(answer->text["size"].text()),
                             .offset = wire::parse_hex(answer->text["offset"].text()),
                             .length = wire::parse_hex(answer->text["length"].text()),
                             .device = static_cast<unsigned>(answer->text["device"].integer())};
  const CUresult result = memory_->borrow(answer->file.get(), where, &reply.address);
  if (result != CUDA_SUCCESS) return result;
  reply.size = where.length;
  reply.device = static_cast<std::int32_t>(where.device);
  opened_[reply.address] = {wanted, reply, 1};
  opened_by_name_[wanted] = reply.address;
  return CUDA_SUCCESS;
}

std::optional<bool> Sharing::close_memory(std::uint64_t address) {
  const std::lock_guard lock(opened_mutex_);
  const auto found = opened_.find(address);
  if (found == opened_.end()) return std::nullopt;
  if (--found->second.times > 0) return false;
  opened_by_name_.erase(found->second.name);
  opened_.erase(found);
  memory_->give_back(address);
  return true;
}

CUresult Sharing::find_event(const wire::IpcHandle& handle, CUipcEventHandle* found) {
  if (owner(handle) == control_.name()) return CUDA_ERROR_INVALID_CONTEXT;
  const auto answer = ask(handle);
  if (!answer) return CUDA_ERROR_INVALID_HANDLE;
  const wire::json::Array* words = answer->text["words"].array();
  if (words == nullptr || words->size() * 8 != sizeof found->reserved) return CUDA_ERROR_INVALID_HANDLE;
  for (std::size_t i = 0; i < words->size(); ++i) {
    const std::uint64_t word = wire::parse_hex((*words)[i].text());
    std::memcpy(found->reserved + i * 8, &word, sizeof word);
  }
  return CUDA_SUCCESS;
}

std::optional<Sharing::Answer> Sharing::ask(const wire::IpcHandle& handle) {
  std::unique_lock lock(mutex_);
  const std::int64_t question = ++last_question_;
  answers_[question] = std::nullopt;
  const bool sent = control_.send({{"ask", question},
                                   {"worker", owner(handle)},
                                   {"what", handle.what == wire::IpcHandle::kMemory ? kMemory : kEvent},
                                   {"number", wire::hex(handle.number)}});
  if (sent) answered_.wait_for(lock, kAnswerLimit, [&] { return answers_[question].has_value(); });
  auto answer = std::move(answers_[question]);
  answers_.erase(question);
  if (answer && !answer->text["ok"].truth()) answer.reset();
  return answer;
}

bool Sharing::receive(const Value& message, wire::Fd file) {
  if (message["lend"].number() != nullptr) {
    lend(message);
    return true;
  }
  const std::int64_t question = message["answer"].integer(-1);
  if (question < 0) return false;
  const std::lock_guard lock(mutex_);
  if (const auto found = answers_.find(question); found != answers_.end()) {
    found->second = Answer{message, std::move(file)};
    answered_.notify_all();
  }
  return true;
}

std::optional<std::uint64_t> Sharing::named(std::uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = named_.find(address);
  return found == named_.end() ? std::nullopt : std::optional(found->second);
}

void Sharing::lend(const Value& question) {
  Object answer{{"lent", question["lend"].integer()}, {"for", question["for"].text()}, {"ok", false}};
  const std::uint64_t number = wire::parse_hex(question["number"].text());
  wire::Fd file;
  if (question["what"].text() == kMemory) {
    Memory::Shared where;
    int opened = -1;
    const std::optional<std::uint64_t> length = named(number);
    if (length && memory_->lend(number, *length, &opened, &where) == CUDA_SUCCESS) {
      file.reset(opened);
      answer["ok"] = true;
      answer["size"] = wire::hex(where.size);
      answer["offset"] = wire::hex(where.offset);
      answer["length"] = wire::hex(where.length);
      answer["device"] = static_cast<int>(where.device);
    }
  } else {
    const std::lock_guard lock(mutex_);
    if (const auto found = events_.find(number); found != events_.end()) {
      answer["ok"] = true;
      answer["words"] = words_of(found->second);
    }
  }
  control_.send(answer, file.get());
}

}  // namespace worker
