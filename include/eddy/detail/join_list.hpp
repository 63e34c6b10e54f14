// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

struct join_entry;
struct join_ready_list;

/// The tasks of a join_set: what does not depend on their output. Each has an entry, whose waker stands with the task
/// and moves the entry to a list of those that have ended (the model is Tokio's IdleNotifiedSet). So what has ended is
/// found without asking the others.
///
/// Thread safety: as a value; the wakers of its entries are used on any thread, also after it is gone.
class EDDY_API join_list {
public:
    join_list() noexcept = default;
    join_list(join_list&& other) noexcept
        : ended_(std::exchange(other.ended_, nullptr)),
          spare_(std::exchange(other.spare_, nullptr)),
          first_(std::exchange(other.first_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    join_list& operator=(join_list&& other) noexcept;
    /// Cancels all tasks and lets go of them.
    ~join_list();

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Has the memory ready for one add().
    void reserve();
    /// Takes over the join handle's reference of `task`. After reserve().
    void add(joinable& task) noexcept;

    /// A task that has ended, and the handle's reference of it; null if there is none. `wake`, if not null, is then
    /// woken when there is one; it takes the place of the waker of an earlier call.
    [[nodiscard]] joinable* take_ended(const waker* wake) noexcept;

    void abort_all() noexcept;
    /// Lets all tasks go on by themselves.
    void detach_all() noexcept { let_go(false); }

private:
    void let_go(bool with_abort) noexcept;
    void unlink(join_entry& entry) noexcept;

    join_ready_list* ended_ = nullptr;  // counted: by this, and by each entry
    join_entry* spare_ = nullptr;
    join_entry* first_ = nullptr;  // of all
    std::size_t size_ = 0;
};

}  // namespace eddy::detail
