// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/runtime/runtime_metrics.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "inspect/debug_table.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// A list of tasks with its counters, for readers of the program's memory.
struct listed_ring {
    const task_link* ring;
    const void* added;    // 64 bits
    const void* removed;  // 64 bits
};

/// The table that readers of the program's memory look for. Not constant: the addresses in it are relocations.
extern constinit inspect::basic_debug_table<const void*> debug_table;
/// Returns its address.
[[nodiscard]] inspect::address address_of_debug_table() noexcept;

/// Shows an executor's lists of tasks to readers of the program's memory while it exists: inspect/docs/format.md.
/// A forked child does not show the lists of its parent, whose threads it does not have.
/// Thread safety: any thread. The constructor and the destructor take a lock of the process.
class listed_executor : immovable {
public:
    /// `count` lists with a distance of `stride` bytes; `first` is the first one.
    listed_executor(inspect::executor_kind kind, std::uint64_t id, listed_ring first, std::size_t count = 1,
                    std::size_t stride = 0) noexcept;
    ~listed_executor();

    /// Makes visit_executors() call its argument with `one`, whose member this object is.
    /// Preconditions: the members of `one` exist; this object is destroyed before them.
    void show_metrics_of(executor& one) noexcept;

private:
    friend void visit_executors(void (*visit)(executor& one, void* argument), void* argument);

    // SAFETY: each record in the list is the first member of a listed_executor.
    [[nodiscard]] listed_executor* next() const noexcept {
        return static_cast<listed_executor*>(const_cast<void*>(record_.next));
    }

    inspect::basic_executor_record<const void*> record_;
    listed_executor* previous_ = nullptr;
    executor* measured_ = nullptr;
    [[no_unique_address]] const sys::process_mark listed_in_;
};

/// The counters of all executors of this process, with their ids.
struct all_metrics {
    std::vector<std::pair<std::uint64_t, runtime_metrics>> pools;
    std::vector<std::pair<std::uint64_t, core_metrics>> loops;
};

/// Calls `visit` with each executor that has called listed_executor::show_metrics_of(). None is destroyed meanwhile.
/// `visit` must not make or destroy executors.
void visit_executors(void (*visit)(executor& one, void* argument), void* argument);

template <class Visit>
void visit_executors(Visit visit) {
    visit_executors([](executor& one, void* argument) { (*static_cast<Visit*>(argument))(one); }, &visit);
}

}  // namespace eddy::detail
