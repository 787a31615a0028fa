// SPDX-License-Identifier: BSD-3-Clause
#include "shim/logs.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shim/api.h"
#include "shim/failure.h"

// What a program holds for a registered callback.
struct CUlogsCallbackEntry_st {
  CUlogsCallback function;
  void* data;
};

namespace shim::logs {
namespace {

constexpr size_t kMostEntries = 100;
constexpr size_t kMostText = 25600;  // bytes that a dump to memory ever has, by CUDA's own word
constexpr std::string_view kCut = "... older messages are left out ...\n";

// Entries are counted from the beginning of the process; the oldest go.
struct Log {
  std::mutex mutex;
  std::deque<std::string> entries;
  unsigned first = 0;  // number of the oldest entry that is still there
  std::vector<std::unique_ptr<CUlogsCallbackEntry_st>> callbacks;
  unsigned next() const { return first + static_cast<unsigned>(entries.size()); }
};

Log& log() {
  static auto& instance = *new Log;  // used until the very end of the process
  return instance;
}

std::string line(CUlogLevel level, std::string_view message) {
  const auto now = std::chrono::system_clock::now();
  const time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  tm local{};
  localtime_r(&seconds, &local);
  char head[64];
  snprintf(head, sizeof head, "[%02d:%02d:%02d.%03d][%d][CUDA][%c] ", local.tm_hour, local.tm_min,
           local.tm_sec, static_cast<int>(ms), static_cast<int>(getpid()),
           level == CU_LOG_LEVEL_ERROR ? 'E' : 'W');
  return head + std::string(message.substr(0, kMostText / 4)) + "\n";
}

struct Dump {
  std::string text;
  unsigned next;  // the entry after the last
};

// The entries from `iterator` on, of which the last ones that fit into `room` bytes.
Dump dump(const CUlogIterator* iterator, size_t room) {
  Log& all = log();
  const std::lock_guard lock(all.mutex);
  const unsigned from = iterator ? *iterator : all.first;
  require(from <= all.next(), CUDA_ERROR_INVALID_VALUE);
  size_t begin = from > all.first ? from - all.first : 0;
  bool cut = from < all.first;
  size_t size = 0;
  for (size_t i = begin; i < all.entries.size(); ++i) size += all.entries[i].size();
  while (begin < all.entries.size() && size + (cut ? kCut.size() : 0) > room) {
    size -= all.entries[begin++].size();
    cut = true;
  }
  Dump out{{}, all.next()};
  if (begin == all.entries.size()) {
    require(!cut || all.entries.empty(), CUDA_ERROR_INVALID_VALUE);  // there is something, but no room for it
    return out;
  }
  if (cut) out.text = kCut;
  for (; begin < all.entries.size(); ++begin) out.text += all.entries[begin];
  return out;
}

}  // namespace

void add(CUlogLevel level, std::string_view message) noexcept {
  try {
    std::string text = line(level, message);
    std::vector<CUlogsCallbackEntry_st> callbacks;
    {
      Log& all = log();
      const std::lock_guard lock(all.mutex);
      all.entries.push_back(text);
      if (all.entries.size() > kMostEntries) {
        all.entries.pop_front();
        ++all.first;
      }
      for (const auto& callback : all.callbacks) callbacks.push_back(*callback);
    }
    for (const auto& callback : callbacks) callback.function(callback.data, level, text.data(), text.size());
  } catch (const std::exception&) {
    // Out of memory: the log is not what is missed most.
  }
}

}  // namespace shim::logs

namespace shim::api {

CUresult cuLogsRegisterCallback(CUlogsCallback callbackFunc, void* userData,
                                CUlogsCallbackHandle* callback_out) {
  require(callbackFunc != nullptr, CUDA_ERROR_INVALID_VALUE);
  auto entry = std::make_unique<CUlogsCallbackEntry_st>(CUlogsCallbackEntry_st{callbackFunc, userData});
  if (callback_out) *callback_out = entry.get();
  const std::lock_guard lock(logs::log().mutex);
  logs::log().callbacks.push_back(std::move(entry));
  return CUDA_SUCCESS;
}

CUresult cuLogsUnregisterCallback(CUlogsCallbackHandle callback) {
  const std::lock_guard lock(logs::log().mutex);
  const auto gone =
      std::erase_if(logs::log().callbacks, [callback](const auto& entry) { return entry.get() == callback; });
  require(gone > 0, CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

CUresult cuLogsCurrent(CUlogIterator* iterator_out, unsigned int flags) {
  require(iterator_out);
  require(flags == 0, CUDA_ERROR_INVALID_VALUE);
  const std::lock_guard lock(logs::log().mutex);
  *iterator_out = logs::log().next();
  return CUDA_SUCCESS;
}

CUresult cuLogsDumpToFile(CUlogIterator* iterator, const char* pathToFile, unsigned int flags) {
  require(pathToFile);
  require(flags == 0, CUDA_ERROR_INVALID_VALUE);
  const logs::Dump dump = logs::dump(iterator, SIZE_MAX);
  std::ofstream file(pathToFile, std::ios::binary);
  file << dump.text;
  require(file.good(), CUDA_ERROR_INVALID_VALUE);
  if (iterator) *iterator = dump.next;
  return CUDA_SUCCESS;
}

CUresult cuLogsDumpToMemory(CUlogIterator* iterator, char* buffer, size_t* size, unsigned int flags) {
  require(buffer);
  require(size);
  require(flags == 0, CUDA_ERROR_INVALID_VALUE);
  const size_t room = std::min(*size, logs::kMostText);
  *size = 0;
  require(room > 0, CUDA_ERROR_INVALID_VALUE);
  const logs::Dump dump = logs::dump(iterator, room - 1);
  std::memcpy(buffer, dump.text.c_str(), dump.text.size() + 1);
  *size = dump.text.size();
  if (iterator) *iterator = dump.next;
  return CUDA_SUCCESS;
}

}  // namespace shim::api
