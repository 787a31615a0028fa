// SPDX-License-Identifier: BSD-3-Clause
#include "shim/page_faults.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>

#include "shim/failure.h"
#include "shim/host_functions.h"

namespace shim::page_faults {
namespace {

// A thread that touched a page: on its stack, until it is answered.
struct Question {
  uint64_t address;
  bool write;
  bool by_function;
  bool ours = false;
  std::atomic<int> answered{0};
};

std::atomic<uint64_t> lowest{UINT64_MAX};
std::atomic<uint64_t> highest{0};
Resolve resolve = nullptr;
std::atomic<pid_t> owner{0};  // the process that has the thread: not the child of a fork
int questions[2] = {-1, -1};  // a pipe of pointers
struct sigaction before{};
std::mutex& installing = *new std::mutex;

void futex(std::atomic<int>& word, int operation, int value) {
  syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

// Only what a signal handler may do.
bool ask(uint64_t address, bool write) {
  Question question{address, write, host_functions::thread() == gettid()};
  const Question* pointer = &question;
  while (::write(questions[1], &pointer, sizeof pointer) < 0)
    if (errno != EINTR) return false;
  while (question.answered.load() == 0) futex(question.answered, FUTEX_WAIT, 0);
  return question.ours;
}

// The processor tells reads from writes; where it is not known how, a page is made readable first, and
// writable when it is touched again.
bool is_write([[maybe_unused]] const void* context) {
#ifdef __x86_64__
  constexpr long long kWriteBit = 2;
  return (static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] & kWriteBit) != 0;
#else
  return false;
#endif
}

void pass_on(int number, siginfo_t* info, void* context) {
  if ((before.sa_flags & SA_SIGINFO) != 0) return before.sa_sigaction(number, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
  // Nobody else wants it: the access is repeated, and ends the process as it does by default.
  signal(number, SIG_DFL);
  if (info->si_code <= 0) raise(number);
}

void handle(int number, siginfo_t* info, void* context) {
  const int error = errno;
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  const bool possible = info->si_code > 0 && address >= lowest && address < highest && owner == getpid();
  const bool ours = possible && ask(address, is_write(context));
  errno = error;
  if (!ours) pass_on(number, info, context);
}

[[noreturn]] void* serve(void*) {
  pthread_setname_np(pthread_self(), "bfkernel-pages");
  for (;;) {
    Question* question = nullptr;
    if (read(questions[0], &question, sizeof question) != sizeof question) continue;
    question->ours = resolve(question->address, question->write, question->by_function);
    question->answered = 1;
    futex(question->answered, FUTEX_WAKE, 1);
  }
}

void start() {
  if (owner == getpid()) return;
  require(pipe2(questions, O_CLOEXEC) == 0, CUDA_ERROR_OUT_OF_MEMORY);
  sigset_t all;
  sigset_t mask;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask);
  pthread_t thread;
  const int error =
      pthread_create(&thread, nullptr, [](void* none) -> void* { return serve(none); }, nullptr);
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  require(error == 0, CUDA_ERROR_OUT_OF_MEMORY);
  pthread_detach(thread);
  owner = getpid();
}

}  // namespace

void keep_handler() {
  struct sigaction now{};
  if (sigaction(SIGSEGV, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
      now.sa_sigaction == &handle)
    return;
  const std::lock_guard lock(installing);
  struct sigaction ours{};
  ours.sa_sigaction = &handle;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&ours.sa_mask);
  if (sigaction(SIGSEGV, nullptr, &now) != 0) return;
  if ((now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == &handle) return;
  before = now;
  sigaction(SIGSEGV, &ours, nullptr);
}

void watch(uint64_t begin, uint64_t end, Resolve by) {
  {
    const std::lock_guard lock(installing);
    resolve = by;
    start();
    if (begin < lowest) lowest = begin;
    if (end > highest) highest = end;
  }
  keep_handler();
}

}  // namespace shim::page_faults
