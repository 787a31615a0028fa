// SPDX-License-Identifier: BSD-3-Clause
#include "shim/shared_pages.h"

#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

#include "shim/api.h"
#include "shim/double_mapping.h"
#include "shim/log.h"
#include "shim/mirrors.h"
#include "shim/move.h"
#include "shim/page_faults.h"
#include "shim/request.h"

namespace shim::shared_pages {
namespace {

constexpr uint64_t kChunk = uint64_t{64} << 10;
// A fault brings more when the one before it was next to it.
constexpr uint64_t kMostAtOnce = uint64_t{16} << 20;

enum class State : uint8_t { gpu, equal, ours };

// Bytes of a range, counted from its start.
struct Part {
  uint64_t begin = 0;
  uint64_t end = 0;
  bool operator==(const Part&) const = default;
};

struct Pages : Range {
  std::vector<Part> shared;  // with the GPU: all of it, but where it holds variables
  bool reserved = true;      // the addresses are of the window, and stay reserved
  bool outlives_context = false;
  std::byte* alias = nullptr;  // the same pages a second time, always accessible: bytes come and go here
  bool here = false;           // the GPU does not use it
  std::vector<State> chunks;
  uint64_t next = 0;  // the chunk after the last that a fault brought
  uint64_t run = 1;   // how many it brought

  uint64_t mapped() const { return (size + kPage - 1) / kPage * kPage; }
};

// One thread at a time moves bytes; never destroyed, as the page thread runs to the end.
std::mutex& mutex = *new std::mutex;
std::map<uint64_t, Pages>& ranges = *new std::map<uint64_t, Pages>;
bool settled = false;  // the GPU was waited for, and begins nothing without coming by here

Pages* holder(uint64_t host) {
  const auto after = ranges.upper_bound(host);
  if (after == ranges.begin()) return nullptr;
  Pages& found = std::prev(after)->second;
  return host - found.host < found.size ? &found : nullptr;
}

void protect(const Pages& pages, uint64_t from, uint64_t to, int access) {
  const uint64_t begin = from * kChunk;
  const uint64_t end = std::min(to * kChunk, pages.mapped());
  mprotect(reinterpret_cast<void*>(pages.host + begin), end - begin, access);
}

// Calls `action` for each stretch of chunks in [from, to) for which `wanted` holds.
template <class Wanted, class Action>
void stretches(const Pages& pages, uint64_t from, uint64_t to, Wanted wanted, Action action) {
  for (uint64_t at = from; at < to;) {
    if (!wanted(pages.chunks[at])) {
      ++at;
      continue;
    }
    const uint64_t begin = at;
    while (at < to && wanted(pages.chunks[at])) ++at;
    action(begin, at);
  }
}

// Calls `action` with what of the chunks [from, to) is shared with the GPU.
template <class Action>
void shared_parts(const Pages& pages, uint64_t from, uint64_t to, Action action) {
  for (const Part& part : pages.shared) {
    const uint64_t begin = std::max(from * kChunk, part.begin);
    const uint64_t end = std::min(to * kChunk, part.end);
    if (begin < end) action(begin, end - begin);
  }
}

// The context in which the bytes travel.
ContextObject* context_for(const Pages& pages) {
  if (contexts::usable(pages.context) || !pages.outlives_context) return pages.context;
  const std::vector<ContextObject*> others = contexts::all_usable();
  require(!others.empty(), CUDA_ERROR_CONTEXT_IS_DESTROYED);
  return others.front();
}

void send(const Pages& pages, uint64_t from, uint64_t to) {
  shared_parts(pages, from, to, [&](uint64_t at, uint64_t size) {
    move::to_device(context_for(pages), pages.device + at, pages.alias + at, size);
  });
}

void receive(const Pages& pages, uint64_t from, uint64_t to) {
  shared_parts(pages, from, to, [&](uint64_t at, uint64_t size) {
    move::to_host(context_for(pages), {pages.alias + at, size}, pages.device + at);
  });
}

// Under the mutex: chunks [from, to) of the GPU's come here. For a function that runs in a stream all before
// it is done, and nothing may wait for the stream.
void bring(Pages& pages, uint64_t from, uint64_t to, State state, bool for_function = false) {
  try {
    if (!settled && !for_function) {
      move::settle();
      settled = true;
    }
    stretches(
        pages, from, to, [](State is) { return is == State::gpu; },
        [&](uint64_t begin, uint64_t end) { receive(pages, begin, end); });
  } catch (const Failure& failure) {
    // The program goes on with what was here; its next call reports the error.
    log::say_once("memory that the program shares with the GPU could not be fetched (error " +
                  std::to_string(failure.result) + "): what is there now is older");
  }
  const int access = state == State::ours ? PROT_READ | PROT_WRITE : PROT_READ;
  stretches(
      pages, from, to, [](State is) { return is == State::gpu; },
      [&](uint64_t begin, uint64_t end) {
        protect(pages, begin, end, access);
        std::fill(pages.chunks.begin() + static_cast<ptrdiff_t>(begin),
                  pages.chunks.begin() + static_cast<ptrdiff_t>(end), state);
      });
  exposed = true;
}

void let_write(Pages& pages, uint64_t from, uint64_t to) {
  protect(pages, from, to, PROT_READ | PROT_WRITE);
  std::fill(pages.chunks.begin() + static_cast<ptrdiff_t>(from),
            pages.chunks.begin() + static_cast<ptrdiff_t>(to), State::ours);
  exposed = true;
}

// Under the mutex: chunks [from, to) become the GPU's. True where bytes were sent.
bool surrender(Pages& pages, uint64_t from, uint64_t to) {
  bool sent = false;
  stretches(
      pages, from, to, [](State is) { return is != State::gpu; },
      [&](uint64_t begin, uint64_t end) { protect(pages, begin, end, PROT_NONE); });
  stretches(
      pages, from, to, [](State is) { return is == State::ours; },
      [&](uint64_t begin, uint64_t end) {
        send(pages, begin, end);
        sent = true;
      });
  std::fill(pages.chunks.begin() + static_cast<ptrdiff_t>(from),
            pages.chunks.begin() + static_cast<ptrdiff_t>(to), State::gpu);
  return sent;
}

// The chunks from `at` on that one fault deals with: more each time when the program goes through in turn.
uint64_t run_end(Pages& pages, uint64_t at) {
  pages.run = at == pages.next ? std::min(2 * pages.run, kMostAtOnce / kChunk) : 1;
  const State state = pages.chunks[at];
  uint64_t end = at;
  while (end < pages.chunks.size() && end - at < pages.run && pages.chunks[end] == state) ++end;
  pages.next = end;
  return end;
}

bool resolve(uint64_t address, bool write, bool by_function) {
  const std::lock_guard lock(mutex);
  Pages* pages = holder(address & ~(kPage - 1));
  if (!pages) return false;
  const uint64_t at = (address - pages->host) / kChunk;
  const State state = pages->chunks[at];
  if (state == State::gpu) {
    bring(*pages, at, run_end(*pages, at), write ? State::ours : State::equal, by_function);
  } else if (state == State::equal) {
    let_write(*pages, at, run_end(*pages, at));
  } else {
    let_write(*pages, at, at + 1);  // another thread was first, or it could not be sent
  }
  return true;
}

// Requests whose work on the server reads or writes memory of the GPU's.
bool touches_memory(Opcode opcode) {
  constexpr std::string_view kBeginnings[] = {"Launch",
                                              "Copy",
                                              "ArrayPart",
                                              "Graph",
                                              "cuGraph",
                                              "cuMemcpy",
                                              "cuMemset",
                                              "cuLaunch",
                                              "Memcpy",
                                              "StreamBatch",
                                              "cuStreamBatchMemOp",
                                              "cuStreamWriteValue",
                                              "cuStreamWaitValue",
                                              "HostBlockCopy"};
  const std::string_view name = wire::opcode_name(opcode);
  return std::any_of(std::begin(kBeginnings), std::end(kBeginnings),
                     [name](std::string_view beginning) { return name.starts_with(beginning); });
}

void unmap(const Pages& pages) {
  double_mapping::end(pages.host, pages.alias, pages.mapped(), pages.reserved);
}

bool map_twice(Pages& pages) {
  pages.alias = double_mapping::make(pages.host, pages.mapped(), pages.reserved);
  return pages.alias != nullptr;
}

const bool registered = [] {
  contexts::on_end([](ContextObject* context) {
    const std::lock_guard lock(mutex);
    const bool last = contexts::all_usable().size() == 1;
    for (auto entry = ranges.begin(); entry != ranges.end();) {
      Pages& pages = entry->second;
      const bool ends = pages.context == context && !pages.outlives_context;
      // The program may look at it when there is no context to fetch it in.
      if (pages.outlives_context && last) bring(pages, 0, pages.chunks.size(), State::ours);
      if (ends) unmap(pages);
      entry = ends ? ranges.erase(entry) : std::next(entry);
    }
  });
  return true;
}();

Pages make(const Range& range, State state) {
  Pages pages;
  static_cast<Range&>(pages) = range;
  pages.chunks.assign((range.size + kChunk - 1) / kChunk, state);
  return pages;
}

Pages& enter(Pages pages) {
  page_faults::watch(pages.host, pages.host + pages.mapped(), resolve);
  return ranges.insert_or_assign(pages.host, std::move(pages)).first->second;
}

// Pages from `begin` to where the variable that ends at `end` does, or others begin.
Pages& make_for_variable(uint64_t begin, uint64_t end, ContextObject* context, bool outlives_context) {
  uint64_t limit = (end + kPage - 1) & ~(kPage - 1);
  if (const auto next = ranges.lower_bound(begin); next != ranges.end()) limit = std::min(limit, next->first);
  Pages pages = make({begin, begin, limit - begin, context}, State::gpu);
  pages.reserved = connection().window().holds(begin);
  pages.outlives_context = outlives_context;
  if (!map_twice(pages)) {
    log::say(
        "a managed variable lies on the GPU where this process has something else in memory; "
        "start the program again, and it may lie elsewhere");
    throw Failure{CUDA_ERROR_OUT_OF_MEMORY};
  }
  Pages& made = enter(std::move(pages));
  protect(made, 0, made.chunks.size(), PROT_NONE);
  return made;
}

// Under the mutex: one more part is the GPU's as well. What it has there comes where the rest has come.
void share(Pages& pages, Part part) {
  pages.shared.push_back(part);
  const auto here = [](State is) { return is != State::gpu; };
  const uint64_t from = part.begin / kChunk, to = (part.end + kChunk - 1) / kChunk;
  stretches(pages, from, to, here, [&](uint64_t begin, uint64_t end) {
    move::settle();
    const uint64_t at = std::max(begin * kChunk, part.begin);
    const uint64_t size = std::min(end * kChunk, part.end) - at;
    move::to_host(context_for(pages), {pages.alias + at, size}, pages.device + at);
  });
}

// Calls `action` with the pages and the chunks [from, to) that hold [host, host + size).
template <class Action>
void each_range(uint64_t host, uint64_t size, Action action) {
  for (uint64_t at = host; at < host + size;) {
    Pages* pages = holder(at);
    require(pages, CUDA_ERROR_INVALID_VALUE);
    const uint64_t end = std::min(host + size, pages->host + pages->size);
    action(*pages, (at - pages->host) / kChunk, (end - pages->host + kChunk - 1) / kChunk);
    at = end;
  }
}

}  // namespace

void add(const Range& range) {
  const std::lock_guard lock(mutex);
  Pages pages = make(range, State::equal);
  pages.shared = {{0, range.size}};
  require(map_twice(pages), CUDA_ERROR_OUT_OF_MEMORY);
  move::clear(pages.context, pages.device, pages.size);
  move::await(pages.context);  // what comes next may be in any stream
  enter(std::move(pages));
  exposed = true;
}

void add_variable(uint64_t address, uint64_t size, ContextObject* context, bool outlives_context) {
  const std::lock_guard lock(mutex);
  for (uint64_t at = address; at < address + size;) {
    Pages* pages = holder(at);
    if (!pages) pages = &make_for_variable(at & ~(kPage - 1), address + size, context, outlives_context);
    const uint64_t end = std::min(address + size, pages->host + pages->size);
    share(*pages, {at - pages->host, end - pages->host});
    at = end;
  }
}

void drop_variable(uint64_t address, uint64_t size) {
  const std::lock_guard lock(mutex);
  for (uint64_t at = address; at < address + size;) {
    Pages* pages = holder(at);
    if (!pages) return;  // gone with its context
    const uint64_t end = std::min(address + size, pages->host + pages->size);
    std::erase(pages->shared, Part{at - pages->host, end - pages->host});
    at = end;
    if (!pages->shared.empty()) continue;
    unmap(*pages);
    ranges.erase(pages->host);
  }
}

void drop(uint64_t host) {
  const std::lock_guard lock(mutex);
  const auto found = ranges.find(host);
  if (found == ranges.end()) return;
  unmap(found->second);
  ranges.erase(found);
}

void before(Opcode opcode) {
  if (!move::moving() && touches_memory(opcode)) hand_over();
}

void hand_over() {
  const std::lock_guard lock(mutex);
  settled = false;
  std::vector<ContextObject*> wait_for;
  for (auto& [host, pages] : ranges) {
    if (pages.here) continue;
    if (surrender(pages, 0, pages.chunks.size())) wait_for.push_back(context_for(pages));
  }
  for (ContextObject* context : wait_for) move::await(context);
  if (mirrors::any) mirrors::send_changes();
  exposed = mirrors::any.load();
  page_faults::keep_handler();
}

void fetch(uint64_t host, uint64_t size) {
  const std::lock_guard lock(mutex);
  settled = false;
  each_range(host, size,
             [](Pages& pages, uint64_t from, uint64_t to) { bring(pages, from, to, State::equal); });
}

void give(uint64_t host, uint64_t size) {
  const std::lock_guard lock(mutex);
  each_range(host, size, [](Pages& pages, uint64_t from, uint64_t to) {
    if (surrender(pages, from, to)) move::await(context_for(pages));
  });
}

// Whole chunks only: at both ends others' bytes may share one.
void discard(uint64_t host, uint64_t size) {
  const std::lock_guard lock(mutex);
  each_range(host, size, [&](Pages& pages, uint64_t from, uint64_t to) {
    if (pages.host + from * kChunk < host) ++from;
    if (pages.host + std::min(to * kChunk, pages.size) > host + size) --to;
    if (from >= to) return;
    protect(pages, from, to, PROT_NONE);
    std::fill(pages.chunks.begin() + static_cast<ptrdiff_t>(from),
              pages.chunks.begin() + static_cast<ptrdiff_t>(to), State::gpu);
  });
}

void keep_here(uint64_t host, bool here) {
  const std::lock_guard lock(mutex);
  if (Pages* pages = holder(host)) pages->here = here;
  exposed = true;
}

}  // namespace shim::shared_pages
