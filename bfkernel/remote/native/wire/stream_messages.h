// SPDX-License-Identifier: BSD-3-Clause
// Attributes of streams, and how many clusters fit: what speaks in launch attributes beside launches.
#pragma once

#include "wire/code_messages.h"

namespace wire {

struct StreamSetAttribute {
  BFKERNEL_MESSAGE(StreamSetAttribute);
  uint64_t stream = 0;
  LaunchAttribute attribute;
  BFKERNEL_FIELDS(stream, attribute)
};
struct StreamGetAttribute {
  BFKERNEL_MESSAGE(StreamGetAttribute);
  uint64_t stream = 0;
  uint32_t id = 0;  // CUstreamAttrID
  BFKERNEL_FIELDS(stream, id)
  struct Reply {
    LaunchAttribute attribute;
    BFKERNEL_FIELDS(attribute)
  };
};

struct ClusterOccupancy {
  BFKERNEL_MESSAGE(ClusterOccupancy);
  enum class Question : uint8_t { largest_cluster, active_clusters };
  Question question = Question::largest_cluster;
  uint64_t function = 0;
  std::array<uint32_t, 3> grid{1, 1, 1};
  std::array<uint32_t, 3> block{1, 1, 1};
  uint32_t shared_bytes = 0;
  uint64_t stream = 0;
  std::vector<LaunchAttribute> attributes;
  BFKERNEL_FIELDS(question, function, grid, block, shared_bytes, stream, attributes)
  struct Reply {
    int32_t value = 0;
    BFKERNEL_FIELDS(value)
  };
};

}  // namespace wire
