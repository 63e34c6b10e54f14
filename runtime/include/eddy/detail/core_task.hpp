// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <source_location>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

class core_shared;
struct frame;

struct inbound_node;
struct core_task;

/// The operations of an inbound node.
struct inbound_ops {
    /// Processes a node that was received by its event loop, on the loop's thread. If `is_open` is false, the event
    /// loop is closing, and no work may start.
    void (*arrive)(inbound_node& self, core_shared& loop, bool is_open) noexcept;
};

/// A message to an event loop from another thread: a task that was woken, or a job to start.
/// Lifetime: a task is kept alive by a reference that the inbound list holds; a job is owned by the list.
struct inbound_node {
    inbound_node* next_inbound;  ///< set by the inbound list
    const inbound_ops* inbound;

    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): each push sets `next_inbound`
    explicit inbound_node(const inbound_ops* operations = nullptr) noexcept : inbound(operations) {}
};

/// The operations of a task with a join handle on its outcome.
struct outcome_ops {
    /// Passes the outcome to the join handle after the future was destroyed. Returns true if it has also freed the
    /// memory, or has passed it to the join handle. It does so only if the task is not queued.
    bool (*complete)(core_task& self) noexcept = nullptr;
    /// Passes the exception or the error that no code has read to the handler of the event loop.
    void (*report)(core_task& self) noexcept = nullptr;
    /// Returns whether the output is an error. Null if the type of the output has no errors.
    bool (*has_error)(core_task& self) noexcept = nullptr;
    /// Destroys the outcome. Null if the destructor of an output does nothing.
    void (*discard)(core_task& self) noexcept = nullptr;
};

/// The operations of an event loop's task. Those of the outcome are null for a task without a join handle.
struct EDDY_API core_task_ops : inbound_ops, work_ops<core_task>, outcome_ops {
    /// Whether the task is a child of a scope, which destroys it if the scope is destroyed.
    bool is_child;
    /// Whether a coroutine that has returned leaves nothing to destroy or to report.
    bool ends_plainly;

    explicit constexpr core_task_ops(const work_ops<core_task>& work, const outcome_ops& outcome = {},
                                     bool is_of_scope = false) noexcept
        : inbound_ops{&task_arrives},
          work_ops(work),
          outcome_ops(outcome),
          is_child(is_of_scope),
          ends_plainly(poll == nullptr && has_error == nullptr && discard == nullptr) {}

private:
    static void task_arrives(inbound_node& self, core_shared& loop, bool is_open) noexcept;
};

/// A task of an event loop (`core`): the header in front of its future. The local half is plain memory, used by the
/// loop's thread while the event loop runs. The remote half is one atomic word for all other threads. So wake-ups and
/// references on the loop's thread need no atomic operations.
///
///     local half
///     state         see below
///     is_merged     the loop thread's copy of bit 1
///     is_cancelled  the loop thread's copy of bit 2
///     local_refs    references created on the loop's thread, minus references dropped there; may be negative
///
///     remote word
///     bit 0   notified   a wake-up from another thread is in the inbound list, or is about to be
///     bit 1   merged     local_refs was added to the count; all threads use the count from then on
///     bit 2   cancelled  another thread has aborted the task
///     bit 3.. count      references created on other threads, minus references dropped there, plus 1 while the task
///                        is in the inbound list; signed
///
///        woken on the loop's thread; or by another thread, when the inbound list is drained
///         +--------------------------------------------------+
///         v                                                  |
///     queued --popped--> waiting (polled) --not ready--> waiting
///         |                   |
///         |                   +--ready--> ended: the future is destroyed, then the halves are merged
///         +--ready, but queued again; or the loop closes--> ended_in_queue --popped--> ended, merged
///
/// Lifetime: the memory is not freed before the merge. After the merge the count in the remote word covers all
/// references, and the thread that makes it zero frees the memory; the future is destroyed by then. If the join handle
/// has the only reference when the task ends, the halves are not merged, and the handle owns the memory (core_joined).
struct core_task : inbound_node, task_link {
    static constexpr std::int64_t notified = 1;
    static constexpr std::int64_t merged = 2;
    static constexpr std::int64_t cancelled = 4;
    static constexpr std::int64_t one_ref = 8;

    // The fields that a wake-up and a poll access are first.
    frame* root;             ///< a coroutine's outermost frame, which the event loop polls directly; else null
    core_shared* shared;     ///< kept alive by the `core`; after the merge by a reference that the task holds
    core_task* next_queued;  ///< set by the queue, as the links are by the list of live tasks
    std::int32_t local_refs;
    enum class phase : unsigned char { waiting, queued, ended, ended_in_queue } state = phase::queued;
    bool is_merged = false;
    bool is_cancelled = false;
    bool is_joined;  ///< whether the object is a core_joined
    atomic<std::int64_t> remote{0};
    std::source_location spawned_at;

    /// A new task, which the caller queues. A join handle has a reference.
    core_task(const core_task_ops& operations, core_shared& loop, std::source_location where, frame* first = nullptr,
              bool has_handle = false) noexcept  // NOLINT(cppcoreguidelines-pro-type-member-init): see above
        : inbound_node(&operations),
          root(first),
          shared(&loop),
          local_refs(has_handle ? 1 : 0),
          is_joined(has_handle),
          spawned_at(where) {}

    [[nodiscard]] const core_task_ops& ops() const noexcept {
        // SAFETY: the constructor has set `inbound` to a core_task_ops object, and it never changes.
        return static_cast<const core_task_ops&>(*inbound);
    }
};

/// Returns the `root` of a task.
[[nodiscard]] inline frame*& root_of(core_task& task) noexcept { return task.root; }

/// The operation `fail` of tasks without a join handle: passes the exception to the handler of the event loop.
EDDY_API void report_thrown(core_task& task, std::exception_ptr thrown) noexcept;

}  // namespace eddy::detail
