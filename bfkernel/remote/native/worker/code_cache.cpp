// SPDX-License-Identifier: BSD-3-Clause
#include "worker/code_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "wire/frame.h"
#include "wire/socket.h"
#include "worker/log.h"

namespace worker {
namespace fs = std::filesystem;
namespace {

// A file that is being written; one of a worker that was killed meanwhile goes with the oldest.
constexpr char kUnfinished[] = ".part";

struct Kept {
  fs::path path;
  std::uint64_t size = 0;
  fs::file_time_type used;
};

std::optional<std::vector<std::byte>> read_whole(const std::string& path) {
  const wire::Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat about{};
  if (file.get() < 0 || fstat(file.get(), &about) != 0) return {};
  if (static_cast<std::uint64_t>(about.st_size) > wire::kMaxPayload) return {};
  std::vector<std::byte> content(static_cast<std::size_t>(about.st_size));
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t got = read(file.get(), content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    done += static_cast<std::size_t>(got);
  }
  return content;
}

bool write_whole(const std::string& path, wire::Bytes content) {
  const wire::Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return false;
  while (!content.empty()) {
    const ssize_t put = write(file.get(), content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    content = content.subspan(static_cast<std::size_t>(put));
  }
  return true;
}

}  // namespace

std::optional<std::vector<std::byte>> CodeCache::find(const wire::Digest& name) const {
  if (folder_.empty()) return {};
  const std::string file = path(name);
  auto content = read_whole(file);
  if (!content) return {};
  if (wire::blake2(*content) != name) {
    log_line("%s does not hold what its name says, and is removed", file.c_str());
    unlink(file.c_str());
    return {};
  }
  utimensat(AT_FDCWD, file.c_str(), nullptr, 0);  // used now
  return content;
}

void CodeCache::keep(const wire::Digest& name, wire::Bytes code) const {
  if (folder_.empty() || code.size() > limit_) return;
  const std::string file = path(name);
  if (access(file.c_str(), F_OK) == 0) return;
  if (wire::blake2(code) != name) return log_line("code that is not what its name says is not kept");
  static std::atomic<unsigned> count{0};
  const std::string unfinished =
      file + "." + std::to_string(getpid()) + "." + std::to_string(count++) + kUnfinished;
  // Complete before it has its name; what a crash leaves is found out when it is read.
  if (!write_whole(unfinished, code) || rename(unfinished.c_str(), file.c_str()) != 0) {
    log_line("code is not kept: %s", std::strerror(errno));
    unlink(unfinished.c_str());
    return;
  }
  make_room();
}

std::string CodeCache::path(const wire::Digest& name) const { return folder_ + "/" + wire::hex(name); }

// Other workers may do the same at the same time: a file that is gone already is no failure.
void CodeCache::make_room() const {
  std::vector<Kept> all;
  std::uint64_t total = 0;
  std::error_code ignored;
  for (fs::directory_iterator entry(folder_, ignored), end; entry != end; entry.increment(ignored)) {
    std::error_code gone;
    Kept kept{entry->path(), entry->file_size(gone), {}};
    if (!gone) kept.used = entry->last_write_time(gone);
    if (gone) continue;
    total += kept.size;
    all.push_back(std::move(kept));
  }
  std::sort(all.begin(), all.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
  for (auto oldest = all.begin(); total > limit_ && oldest != all.end(); ++oldest) {
    fs::remove(oldest->path, ignored);
    total -= oldest->size;
  }
}

}  // namespace worker
