// SPDX-License-Identifier: BSD-3-Clause
// Further connections for the bytes of large copies, where the round trip is so long that one does not fill
// the link (wire/stripes.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "shim/lifeline.h"
#include "wire/stripes.h"

namespace shim::stripes {

// BFKERNEL_STRIPES: how many; nothing for `auto`. Throws std::runtime_error, with a sentence, for anything
// else.
std::optional<unsigned> wanted();
// How many help on the way that this socket goes.
unsigned useful(int socket);

// A copy of so many bytes comes: the first large one has the stripes opened that were agreed on. It does not
// wait for them, and without them everything works. Throws Failure where there is no connection.
void before_copy(uint64_t bytes);

// To a server that may take nothing for a while. They live as long as the first connection does: its lifeline
// is theirs.
class PatientStripes : public wire::Stripes {
 public:
  explicit PatientStripes(std::shared_ptr<Lifeline> lifeline) : lifeline_(std::move(lifeline)) {}

  // A connection to the worker, as the next stripe.
  void open(wire::Fd socket);
  void write(std::span<iovec> parts) override;

 private:
  const std::shared_ptr<Lifeline> lifeline_;
};

}  // namespace shim::stripes
