// SPDX-License-Identifier: BSD-3-Clause
#include "execution.h"

#include <algorithm>
#include <set>

#include "capture.h"
#include "copy.h"
#include "memory_ops.h"
#include "memset.h"

namespace softgpu::driver {
namespace {

using Run = std::function<void()>;

// What a node's work finds wrong only when it runs ruins the context, as a kernel's fault does.
void run_in(Context& context, const Run& body) {
  if (context.fault() != CUDA_SUCCESS) return;
  CUresult result = guarded(body);
  if (result != CUDA_SUCCESS)
    context.poison({Fault::illegal_address, "a graph's node reached memory that is gone"});
}

std::vector<Run> runs_of(const Graph& graph);

Run conditional_run(const ConditionalWork& work) {
  std::vector<std::vector<Run>> bodies;
  for (const auto& body : work.bodies) bodies.push_back(runs_of(*body));
  return [type = work.type, condition = work.condition, context = work.context, bodies = std::move(bodies)] {
    auto execute = [&](size_t which) {
      if (which >= bodies.size()) return;
      for (const Run& run : bodies[which]) run();
    };
    auto go_on = [&] { return context->fault() == CUDA_SUCCESS && context->active; };
    unsigned value = condition->value();
    if (type == CU_GRAPH_COND_TYPE_IF) {
      execute(value ? 0 : 1);
    } else if (type == CU_GRAPH_COND_TYPE_SWITCH) {
      execute(value);
    } else {
      for (; condition->value() != 0 && go_on();) execute(0);
    }
  };
}

// Work that is done on whatever thread runs the stream. Throws NOT_SUPPORTED for any other.
Run plain_run(const Work& work) {
  if (auto* kernel = std::get_if<KernelWork>(&work)) {
    return [launch = kernel->launch] {
      if (launch->context->fault() == CUDA_SUCCESS) run(*launch);
    };
  }
  if (auto* copy = std::get_if<CopyWork>(&work)) {
    return [context = copy->context, copy = copy->copy] {
      run_in(*context, [&] { plan_copy(*context, copy, When::now)(); });
    };
  }
  if (auto* fill = std::get_if<FillWork>(&work)) {
    return [context = fill->context, fill = fill->fill] {
      run_in(*context, [&] { plan_fill(*context, fill, When::now)(); });
    };
  }
  if (auto* conditional = std::get_if<ConditionalWork>(&work)) return conditional_run(*conditional);
  require(std::holds_alternative<EmptyWork>(work), CUDA_ERROR_NOT_SUPPORTED);
  return [] {};
}

std::vector<Run> runs_of(const Graph& graph) {
  std::vector<Run> runs;
  for (const Node* node : graph.ordered()) {
    if (!node->enabled) continue;
    if (auto* child = std::get_if<ChildWork>(&node->work)) {
      for (Run& run : runs_of(*child->graph)) runs.push_back(std::move(run));
    } else {
      runs.push_back(plain_run(node->work));
    }
  }
  return runs;
}

// What one launch submits: the nodes in an order that their dependencies allow.
class LaunchPlan {
 public:
  void add(const Graph& graph) {
    for (const Node* node : graph.ordered()) {
      if (node->enabled) std::visit([&](const auto& work) { add_work(work); }, node->work);
    }
  }

  std::vector<Operation> operations() {
    flush();
    return std::move(operations_);
  }

  // Recordings become their events' latest, once the ticket of the first operation is known.
  void recorded(const Ticket& first) {
    for (auto& [index, event, recording] : recordings_) {
      recording->ticket = {first.queue, first.sequence + index};
      event->set(recording);
    }
  }

  std::set<std::shared_ptr<GraphBlock>> allocated;
  std::set<std::shared_ptr<GraphBlock>> freed;

 private:
  struct Recorded {
    size_t index;
    std::shared_ptr<Event> event;
    std::shared_ptr<Recording> recording;
  };

  void add_plain(Run run) { batch_.push_back(std::move(run)); }

  // Plain work up to here becomes one operation.
  void flush() {
    if (batch_.empty()) return;
    Operation operation;
    operation.run = [batch = std::move(batch_)] {
      for (const Run& run : batch) run();
    };
    batch_.clear();
    operations_.push_back(std::move(operation));
  }

  void add_own(Operation operation) {
    flush();
    operations_.push_back(std::move(operation));
  }

  template <typename Other>
  void add_work(const Other& work) {
    add_plain(plain_run(Work(work)));
  }

  void add_work(const ChildWork& work) { add(*work.graph); }

  void add_work(const HostWork& work) {
    Operation call;
    call.run = [work] { work.function(work.data); };
    call.calls_program = true;
    add_own(std::move(call));
  }

  void add_work(const WaitWork& work) {
    if (work.event->shared) {
      // Which recording of which process is the latest shows when it is this node's turn.
      Operation wait;
      wait.ready = [shared = work.event->shared, target = uint64_t{0}]() mutable {
        if (target == 0) target = shared->latest();
        return shared->reached(target);
      };
      add_own(std::move(wait));
      return;
    }
    // An event that this launch records before is reached by then: it is in the same stream.
    bool own = std::any_of(recordings_.begin(), recordings_.end(),
                           [&](const Recorded& recorded) { return recorded.event == work.event; });
    std::shared_ptr<Recording> recording = work.event->last();
    if (own || !recording || recording->captured) return;
    Operation wait;
    wait.after.push_back(recording->ticket);
    add_own(std::move(wait));
  }

  void add_work(const RecordWork& work) {
    auto recording = std::make_shared<Recording>();
    Operation record;
    record.run = [recording, shared = work.event->shared] {
      recording->reach();
      if (shared) shared->reach(shared->record());
    };
    add_own(std::move(record));
    recordings_.push_back({operations_.size() - 1, work.event, std::move(recording)});
  }

  void add_work(const AllocWork& work) {
    allocated.insert(work.block);
    add_plain([block = work.block] { block->open(); });
  }

  void add_work(const FreeWork& work) {
    freed.insert(work.block);
    add_plain([block = work.block] { block->close(); });
  }

  void add_work(const MemoryOpsWork& work) {
    for (const CUstreamBatchMemOpParams& params : work.operations) {
      MemoryOp plan = plan_memory_op(work.context, params);
      if (plan.run) add_plain(std::move(plan.run));
      if (!plan.ready) continue;
      Operation wait;
      wait.ready = std::move(plan.ready);
      add_own(std::move(wait));
    }
  }

  std::vector<Run> batch_;
  std::vector<Operation> operations_;
  std::vector<Recorded> recordings_;
};

// Memory that is still allocated from the last launch: freed first, or in the way.
void settle_memory(LaunchPlan& plan, bool free_first, std::vector<Operation>* before) {
  for (const auto& block : plan.allocated) {
    bool stays = !plan.freed.contains(block);
    if (stays && free_first && block->unclaim()) {
      Operation close;
      close.run = [block] { block->close(); };
      before->push_back(std::move(close));
    }
    require(block->claim());
    if (stays) {
      block->open();  // what follows the launch may name it at once
    } else {
      block->unclaim();
    }
  }
  for (const auto& block : plan.freed) {
    if (!plan.allocated.contains(block)) require(block->unclaim());
  }
}

bool allowed_in_body(const Work& work) {
  return std::holds_alternative<KernelWork>(work) || std::holds_alternative<CopyWork>(work) ||
         std::holds_alternative<FillWork>(work) || std::holds_alternative<EmptyWork>(work) ||
         std::holds_alternative<ChildWork>(work) || std::holds_alternative<ConditionalWork>(work);
}

void check_graph(const Graph& graph, bool in_body, CUDA_GRAPH_INSTANTIATE_PARAMS* report) {
  report->result_out = CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE;
  graph.ordered();
  for (const auto& node : graph.nodes()) {
    bool body = in_body || std::holds_alternative<ConditionalWork>(node->work);
    report->result_out = CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED;
    report->hErrNode_out = node->handle();
    require(!in_body || allowed_in_body(node->work), CUDA_ERROR_NOT_SUPPORTED);
    for_each_graph(node->work, [&](Graph& inner) { check_graph(inner, body, report); });
  }
  report->hErrNode_out = nullptr;
}

}  // namespace

Execution::Execution(std::shared_ptr<Graph> source, std::shared_ptr<Graph> graph, unsigned long long flags)
    : flags(flags), source_(source), graph_(std::move(graph)) {
  ++source->executions;
}

Execution::~Execution() {
  std::lock_guard lock(graphs_mutex());
  if (auto source = source_.lock()) --source->executions;
}

std::shared_ptr<Execution> Execution::create(const std::shared_ptr<Graph>& source, unsigned long long flags,
                                             CUDA_GRAPH_INSTANTIATE_PARAMS* report) {
  constexpr unsigned long long known = CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH |
                                       CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
                                       CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
  report->result_out = CUDA_GRAPH_INSTANTIATE_ERROR;
  require(!(flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH), CUDA_ERROR_NOT_SUPPORTED);
  require((flags & ~known) == 0 && !source->capturing);
  require(!source->has_memory_nodes() || source->executions == 0);
  check_graph(*source, false, report);
  auto made = std::make_shared<Execution>(source, source->clone(GraphOwner::execution), flags);
  registry<Execution>().add<CUgraphExec>(made);
  report->result_out = CUDA_GRAPH_INSTANTIATE_SUCCESS;
  return made;
}

void Execution::launch(Stream& stream) {
  not_in_capture_of(*owner(stream), stream);  // before memory is taken for it
  LaunchPlan plan;
  plan.add(*graph_);
  std::vector<Operation> operations;
  settle_memory(plan, flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH, &operations);
  size_t lead = operations.size() + 1;
  Operation first;
  first.run = [conditions = graph_->conditions] {
    for (const auto& condition : conditions) condition->assign_default();
  };
  if (last_.queue) first.after.push_back(last_);
  operations.insert(operations.begin(), std::move(first));
  for (Operation& operation : plan.operations()) operations.push_back(std::move(operation));
  Operation end;
  end.run = [self = shared_from_this()] {};  // alive until its work is done
  operations.push_back(std::move(end));
  size_t count = operations.size();
  Ticket begun = submit_all(stream, std::move(operations));
  plan.recorded({begun.queue, begun.sequence + lead});
  last_ = {begun.queue, begun.sequence + count - 1};
}

Node& Execution::node(CUgraphNode handle) {
  Node* found = graph_->find_clone(node_of(handle)->id);
  require(found != nullptr);
  return *found;
}

void exchange(Node& node, Work work) {
  require(node.work.index() == work.index());
  if (auto* kernel = std::get_if<KernelWork>(&work)) {
    require(kernel->launch->context == std::get<KernelWork>(node.work).launch->context);
  }
  node.work = std::move(work);
}

std::shared_ptr<Execution> execution_of(CUgraphExec handle) {
  return registry<Execution>().get(handle, CUDA_ERROR_INVALID_VALUE);
}

}  // namespace softgpu::driver
