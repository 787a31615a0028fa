// SPDX-License-Identifier: BSD-3-Clause
// cuLogs*.
#include <algorithm>
#include <deque>
#include <fstream>
#include <mutex>
#include <vector>

#include "device.h"
#include "log.h"
#include "registry.h"

using namespace softgpu::driver;

namespace {

constexpr size_t kMostLines = 100;

struct Callback {
  CUlogsCallback function;
  void* data;
};

struct Log {
  std::mutex mutex;
  std::deque<std::string> lines;
  CUlogIterator dropped = 0;  // how many lines have gone from the front
  std::vector<std::shared_ptr<Callback>> callbacks;
};

Log& the_log() {
  static auto* log = new Log;
  return *log;
}

// The lines from the iterator's place on, or all; moves the iterator behind them.
std::vector<std::string> read_lines(CUlogIterator* iterator) {
  Log& log = the_log();
  std::lock_guard lock(log.mutex);
  CUlogIterator begin = iterator ? std::max(*iterator, log.dropped) - log.dropped : 0;
  std::vector<std::string> lines(log.lines.begin() + std::min<size_t>(begin, log.lines.size()),
                                 log.lines.end());
  if (iterator) *iterator = log.dropped + static_cast<CUlogIterator>(log.lines.size());
  return lines;
}

}  // namespace

void softgpu::driver::log_line(CUlogLevel level, const std::string& text) {
  Log& log = the_log();
  std::vector<std::shared_ptr<Callback>> callbacks;
  {
    std::lock_guard lock(log.mutex);
    log.lines.push_back((level == CU_LOG_LEVEL_ERROR ? "[error] " : "[warning] ") + text);
    if (log.lines.size() > kMostLines) {
      log.lines.pop_front();
      ++log.dropped;
    }
    callbacks = log.callbacks;
  }
  for (const auto& callback : callbacks) {
    std::string copy = text;  // the program may write to it
    callback->function(callback->data, level, copy.data(), copy.size());
  }
}

SOFTGPU_API cuLogsRegisterCallback(CUlogsCallback callbackFunc, void* userData,
                                   CUlogsCallbackHandle* callback_out) {
  return guarded([&] {
    require(callbackFunc != nullptr);
    auto callback = std::make_shared<Callback>(Callback{callbackFunc, userData});
    std::lock_guard lock(the_log().mutex);
    the_log().callbacks.push_back(callback);
    if (callback_out) *callback_out = reinterpret_cast<CUlogsCallbackHandle>(callback.get());
  });
}

SOFTGPU_API cuLogsUnregisterCallback(CUlogsCallbackHandle callback) {
  return guarded([&] {
    std::lock_guard lock(the_log().mutex);
    size_t gone = std::erase_if(the_log().callbacks, [&](const auto& candidate) {
      return reinterpret_cast<CUlogsCallbackHandle>(candidate.get()) == callback;
    });
    require(gone == 1);
  });
}

SOFTGPU_API cuLogsCurrent(CUlogIterator* iterator_out, unsigned int flags) {
  return guarded([&] {
    require(iterator_out != nullptr && flags == 0);
    std::lock_guard lock(the_log().mutex);
    *iterator_out = the_log().dropped + static_cast<CUlogIterator>(the_log().lines.size());
  });
}

SOFTGPU_API cuLogsDumpToFile(CUlogIterator* iterator, const char* pathToFile, unsigned int flags) {
  return guarded([&] {
    require(pathToFile != nullptr && flags == 0);
    std::ofstream out(pathToFile);
    require(out.good());
    for (const std::string& line : read_lines(iterator)) out << line << '\n';
    require(out.good(), CUDA_ERROR_OPERATING_SYSTEM);
  });
}

// Where all lines do not fit, the oldest are left out.
SOFTGPU_API cuLogsDumpToMemory(CUlogIterator* iterator, char* buffer, size_t* size, unsigned int flags) {
  return guarded([&] {
    require(buffer != nullptr && size != nullptr && *size > 0 && flags == 0);
    std::vector<std::string> lines = read_lines(iterator);
    std::string text;
    for (auto line = lines.rbegin(); line != lines.rend() && text.size() + line->size() + 2 <= *size; ++line)
      text.insert(0, *line + '\n');
    std::copy_n(text.c_str(), text.size() + 1, buffer);
    *size = text.size();
  });
}
