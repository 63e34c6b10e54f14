// SPDX-License-Identifier: MIT
#include <eddy/task/join_set.hpp>

#include <mutex>
#include <source_location>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/error.hpp>

#include "task/counted_waker.hpp"

namespace eddy::inline v0_1::detail {

/// The entries whose tasks have ended, oldest first, and the waker of the task that waits for the next one.
/// Thread safety: any thread.
/// Lifetime: reference-counted. The join_list and each entry hold a reference.
struct join_ready_list {
    spin_lock lock;
    join_entry* first = nullptr;  // this and the next two: under the lock
    join_entry* last = nullptr;
    waker wake;
    ref_count<> references;

    void release() noexcept {
        if (references.drop()) pool_delete(this);
    }
};

/// One task of a join_list.
///
///     field                access
///     ended, references    any thread
///     state, next_ended    any thread, under the lock of `ended`
///     other fields         the owner of the join_list
///
/// Lifetime: reference-counted. The join_list and each waker hold a reference.
struct join_entry {
    enum class where : unsigned char {
        waiting,  ///< the task has not ended
        ended,    ///< the entry is in the list of ended entries
        out,      ///< in no list; remaining wakers do nothing
    };

    join_ready_list* const ended;
    ref_count<> references;
    where state = where::waiting;
    join_entry* next_ended = nullptr;
    joinable* task = nullptr;
    join_entry* previous = nullptr;
    join_entry* next = nullptr;

    explicit join_entry(join_ready_list& of) noexcept : ended(&of) { of.references.add(); }
    join_entry(const join_entry&) = delete;
    join_entry& operator=(const join_entry&) = delete;

    void retain() noexcept { references.add(); }
    void release() noexcept {
        if (!references.drop()) return;
        join_ready_list* const list = ended;
        pool_delete(this);
        list->release();
    }

    /// Moves the entry to the list of ended entries, and wakes the task that waits for the next ended entry. Any
    /// thread.
    void notify() noexcept {
        waker owner;
        {
            const std::lock_guard guard(ended->lock);
            if (state != where::waiting) return;
            state = where::ended;
            (ended->last != nullptr ? ended->last->next_ended : ended->first) = this;
            ended->last = this;
            owner = std::move(ended->wake);
        }
        std::move(owner).wake();
    }
};

namespace {

/// Returns whether the entry's task has ended. If not, its end will notify the entry.
bool watch(join_entry& entry) noexcept {
    const borrowed_waker borrowed(&counted_waker<join_entry, &join_entry::notify>, &entry);
    return entry.task->join->poll_join(*entry.task, borrowed.get(), std::source_location());
}

/// Waits for the entry's task again.
/// Preconditions: the entry is in state `out`.
void wait_again(join_entry& entry) noexcept {
    {
        const std::lock_guard guard(entry.ended->lock);
        entry.state = join_entry::where::waiting;
    }
    if (watch(entry)) entry.notify();
}

/// Removes the oldest entry whose task has ended. Returns null if there is none.
/// Preconditions: the lock is held.
join_entry* pop(join_ready_list& from) noexcept {
    join_entry* const oldest = from.first;
    if (oldest == nullptr) return nullptr;
    from.first = std::exchange(oldest->next_ended, nullptr);
    if (from.first == nullptr) from.last = nullptr;
    oldest->state = join_entry::where::out;
    return oldest;
}

/// Like pop(), but takes the lock. If there is no entry and `wake` is not null, stores a copy of `wake`. Wakers are
/// cloned and dropped without the lock, because they may run user code.
join_entry* pop_or_wait(join_ready_list& from, const waker* wake) noexcept {
    {
        const std::lock_guard guard(from.lock);
        if (join_entry* const oldest = pop(from)) return oldest;
        if (wake == nullptr || from.wake.will_wake(*wake)) return nullptr;
    }
    waker copy = *wake;
    const std::lock_guard guard(from.lock);
    if (join_entry* const oldest = pop(from)) return oldest;
    from.wake.swap(copy);
    return nullptr;
}

}  // namespace

join_list& join_list::operator=(join_list&& other) noexcept {
    join_list taken(std::move(other));
    std::swap(ended_, taken.ended_);
    std::swap(spare_, taken.spare_);
    std::swap(first_, taken.first_);
    std::swap(size_, taken.size_);
    return *this;
}

join_list::~join_list() {
    release_all(true);
    if (spare_ != nullptr) spare_->release();
    if (ended_ != nullptr) ended_->release();
}

void join_list::reserve() {
    if (ended_ == nullptr) ended_ = pool_new<join_ready_list>();
    if (spare_ == nullptr) spare_ = pool_new<join_entry>(*ended_);
}

void join_list::add(joinable& task) noexcept {
    EDDY_ASSERT(spare_ != nullptr, "join_list: add() without reserve()");
    join_entry& entry = *std::exchange(spare_, nullptr);
    entry.task = &task;
    entry.next = first_;
    if (first_ != nullptr) first_->previous = &entry;
    first_ = &entry;
    ++size_;
    if (watch(entry)) entry.notify();
}

joinable* join_list::take_ended(const context* cx) noexcept {
    if (ended_ == nullptr) return nullptr;
    while (join_entry* const entry = pop_or_wait(*ended_, cx == nullptr ? nullptr : &cx->waker())) {
        if (!entry->task->join->is_finished(*entry->task)) {
            // A spurious wake-up. No task of eddy causes one, but the contract of wakers allows it.
            wait_again(*entry);
            continue;
        }
        joinable* const task = std::exchange(entry->task, nullptr);
        unlink(*entry);
        entry->release();
        return task;
    }
    return nullptr;
}

void join_list::unlink(join_entry& entry) noexcept {
    (entry.previous != nullptr ? entry.previous->next : first_) = entry.next;
    if (entry.next != nullptr) entry.next->previous = entry.previous;
    --size_;
}

void join_list::abort_all() noexcept {
    for (join_entry* entry = first_; entry != nullptr; entry = entry->next) entry->task->join->abort(*entry->task);
}

void join_list::release_all(bool with_abort) noexcept {
    if (first_ == nullptr) return;
    waker owner;
    {
        const std::lock_guard guard(ended_->lock);
        for (join_entry* entry = first_; entry != nullptr; entry = entry->next) {
            entry->state = join_entry::where::out;
        }
        ended_->first = ended_->last = nullptr;
        owner = std::move(ended_->wake);
    }
    // The list is emptied first, because the calls below may run user code that uses this list.
    join_entry* next = std::exchange(first_, nullptr);
    size_ = 0;
    while (next != nullptr) {
        join_entry& entry = *std::exchange(next, next->next);
        if (with_abort) entry.task->join->abort(*entry.task);
        entry.task->join->drop_handle(*entry.task);
        entry.release();
    }
    // A task that waits for the next entry finds that there is none.
    std::move(owner).wake();
}

}  // namespace eddy::detail
