// SPDX-License-Identifier: BSD-3-Clause
#include "shim/background.h"

#include <pthread.h>
#include <signal.h>

namespace shim {

bool start_background(void* (*run)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) pthread_detach(thread);
  return error == 0;
}

}  // namespace shim
