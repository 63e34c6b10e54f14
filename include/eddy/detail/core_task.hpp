// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>

namespace eddy::detail {

class core_shared;
struct frame;

struct inbound_node;
struct core_task;

/// What an inbound node is.
struct inbound_ops {
    /// The node has reached its loop: on the loop's thread. If the loop is closing, nothing is to be started.
    void (*arrive)(inbound_node& self, core_shared& loop, bool is_open) noexcept;
};

/// Something that reaches a loop from another thread: a task that was woken, or a job to start.
struct inbound_node {
    inbound_node* next_inbound = nullptr;
    const inbound_ops* ops = nullptr;
};

/// What depends on the type of a task's future.
struct EDDY_API core_task_ops : inbound_ops {
    bool (*poll)(core_task& self, context& cx);        ///< true: it has ended. May throw what the future throws.
    void (*destroy_future)(core_task& self) noexcept;  ///< on the loop's thread, once
    void (*free_memory)(core_task& self) noexcept;     ///< on any thread, last
    // Of tasks that have a join handle; else null.
    bool (*poll_cancel)(core_task& self, context& cx);  ///< true: the future has ended in an orderly way
    /// The future is gone: hands the outcome to the handle. True if the memory went with it, which it may if
    /// `may_part`.
    bool (*complete)(core_task& self, bool may_part) noexcept;
    std::string_view (*name)(const core_task& self) noexcept;  ///< null: it has none

    constexpr core_task_ops(bool (*polls)(core_task&, context&), void (*destroys)(core_task&) noexcept,
                            void (*frees)(core_task&) noexcept, bool (*cancels)(core_task&, context&) = nullptr,
                            bool (*completes)(core_task&, bool) noexcept = nullptr,
                            std::string_view (*names)(const core_task&) noexcept = nullptr) noexcept
        : inbound_ops{&task_arrives},
          poll(polls),
          destroy_future(destroys),
          free_memory(frees),
          poll_cancel(cancels),
          complete(completes),
          name(names) {}

private:
    static void task_arrives(inbound_node& self, core_shared& loop, bool is_open) noexcept;
};

/// A task of a `core`: the header in front of its future. An owner half, plain, for the loop's thread, and a remote
/// half, one atomic word, for all others, so that nothing on the loop's thread pays for atomics.
///
///     owner half                                    remote word
///     state         as below                        bit 0   notified   a foreign wake is on its way in the inbound
///     list is_merged     this thread's copy of bit 1     bit 1   merged     local_refs was added; all count here from
///     now on is_cancelled  this thread's copy of bit 2     bit 2   cancelled  an abort from elsewhere local_refs
///     wakers made here, less those    bit 3.. count      wakers made elsewhere, less those dropped there,
///                   dropped here (may be negative)                     plus one while in the inbound list (signed)
///
///                 wake here; or elsewhere, when the inbound list is drained
///         +--------------------------------------------------+
///         v                                                  |
///     queued --popped--> waiting (polled) --not ready--> waiting
///         |                   |
///         |                   +--ready--> ended: the future is destroyed, then the halves are merged
///         +--it woke itself while it ended, or the loop closes--> ended_in_queue --popped--> ended, merged
///
/// Until the merge the memory stays. After it the word holds the number of all references, and whoever brings it to
/// zero frees the memory: nothing else is left to destroy. A task of which only the join handle is left is not merged:
/// its memory becomes the handle's (core_joined).
struct core_task : inbound_node {
    static constexpr std::int64_t notified = 1;
    static constexpr std::int64_t merged = 2;
    static constexpr std::int64_t cancelled = 4;
    static constexpr std::int64_t one_ref = 8;

    // First what a wake-up and a poll touch.
    frame* root = nullptr;  ///< of a coroutine: polled directly, and not by the operations
    core_shared* shared;    ///< kept alive by the core until the end, by a reference of the task's own after the merge
    core_task* next_queued = nullptr;
    std::int32_t local_refs = 0;
    enum class phase : unsigned char { waiting, queued, ended, ended_in_queue } state = phase::waiting;
    bool is_merged = false;
    bool is_cancelled = false;
    bool is_joined = false;  ///< it is a core_joined
    atomic<std::int64_t> remote{0};
    core_task* previous_live = nullptr;
    core_task* next_live = nullptr;
    std::source_location spawned_at;

    core_task(const core_task_ops& operations, core_shared& loop, std::source_location where) noexcept
        : inbound_node{nullptr, &operations}, shared(&loop), spawned_at(where) {}

    [[nodiscard]] const core_task_ops& operations() const noexcept {
        // SAFETY: set by the constructor above, and never changed.
        return static_cast<const core_task_ops&>(*ops);
    }
};

}  // namespace eddy::detail
