// SPDX-License-Identifier: BSD-3-Clause
#include "worker/reached.h"

#include <utility>

#include "worker/ready.h"

namespace worker {

void when_reached(Session& session, const wire::FrameHeader& request, CUstream stream,
                  std::function<void(CUresult)> done) {
  const DriverTable& driver = session.driver();
  const std::shared_ptr<EventPool> events = session.current().events;
  CUevent event = events->take();
  const CUresult marked = call(driver.cuEventRecord, event, stream);
  const auto finish = [&session, &driver, events, event, done = std::move(done)](CUresult result) {
    if (result == CUDA_SUCCESS) result = call(driver.cuEventSynchronize, event);
    session.drain_stdout();
    done(result);
    events->give(event);
  };
  if (marked != CUDA_SUCCESS) return finish(marked);
  if (soon_ready(session, [&] { return call(driver.cuEventQuery, event); })) return finish(marked);
  session.detach(request, [finish, marked] { finish(marked); });
}

}  // namespace worker
