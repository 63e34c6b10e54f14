// SPDX-License-Identifier: MIT
#include <eddy/future/detail/await_record.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/virtual_stack.hpp>

#include "future/acquired_record.hpp"
#include "future/asked_of_tasks.hpp"
#include "sys/static_mutex.hpp"

namespace eddy::detail {

constinit std::atomic<bool> has_await_records{false};

namespace {

/// The records of the objects with the same hash value. Records are not part of what explore_tests explores, so this is
/// a std::mutex.
struct record_list {
    sys::static_mutex<std::mutex> lock;
    await_record* first = nullptr;
};

constinit std::array<record_list, 256> await_table;

record_list& records_of(const void* object) noexcept {
    // SAFETY: the address is only a number here. The allocator aligns objects to 16 bytes.
    const auto address = reinterpret_cast<std::uintptr_t>(object);
    return await_table[(address / 16 + address / 4096) % await_table.size()];
}

constinit sys::static_mutex<std::mutex> acquired_lock;
constinit std::array<acquired_record, 1024> acquired_table;

std::string text_of(call_site where) {
    const std::source_location place = source_location_of(where);
    return "at " + std::string(place.file_name()) + ":" + std::to_string(place.line());
}

/// Returns words about the spawn of a task, or nothing if it is unknown.
std::string task_text(call_site spawned_at) {
    return spawned_at == nullptr ? "" : " in the task spawned " + text_of(spawned_at);
}

acquired_record& acquired_record_of(const void* object) noexcept {
    // SAFETY: see records_of().
    const auto address = reinterpret_cast<std::uintptr_t>(object);
    return acquired_table[(address / 16 + address / 16384) % acquired_table.size()];
}

}  // namespace

void await_record::begin(const awaited_ref& to, call_site where, const waker& task) noexcept {
    if (is_listed_) return;
    where_ = where;
    enter(to, task);
}

void await_record::update(const awaited_ref& to, const waker& task) noexcept {
    is_ignored_.store(false, std::memory_order_relaxed);  // relaxed: see ignore()
    if (to == to_) return poll_again(task);
    if (is_listed_) remove(reason::destroyed);
    enter(to, task);
}

/// Enters the record into the table, unless there is no object.
void await_record::enter(const awaited_ref& to, const waker& task) noexcept {
    to_ = to;
    missed_ = nullptr;
    if (to_.part != nullptr) {
        task_ = task;
        spawned_at_ = spawn_site_here();
    }
    if (to_.object == nullptr) return;
    const std::lock_guard guard(records_of(to_.object).lock);
    link();
    is_listed_ = true;
    // relaxed: see check_not_awaited().
    has_await_records.store(true, std::memory_order_relaxed);
}

/// Puts the record in front of the others.
/// Preconditions: the lock is held.
void await_record::link() noexcept {
    record_list& into = records_of(to_.object);
    next_ = into.first;
    previous_ = nullptr;
    if (next_ != nullptr) next_->previous_ = this;
    into.first = this;
}

/// Preconditions: the lock is held.
void await_record::unlink() noexcept {
    (previous_ != nullptr ? previous_->next_ : records_of(to_.object).first) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
}

void await_record::check_wakeup(const waker& task) noexcept {
    waker dropped = task;  // swapped under the lock, because other threads copy task_
    call_site other = nullptr;
    call_site other_spawn = nullptr;
    {
        const std::lock_guard guard(records_of(to_.object).lock);
        task_.swap(dropped);
        other = missed_;
        other_spawn = missed_by_;
        // The poll stores the waker of this task in the object, in place of the waker of another task.
        unlink();
        link();
    }
    if (other == nullptr) return;
    fatal_misuse("two tasks await one object, " + std::string(*to_.part) +
                     ", which wakes only one of them: give each task an object of its own, or let one task await it "
                     "for all. The other co_await is " +
                     text_of(other) + task_text(other_spawn) + "; the co_await that was not woken is" +
                     task_text(spawned_at_),
                 source_location_of(where_));
}

void await_record::remove(reason why) noexcept {
    waker mine;
    waker missed;
    {
        record_list& from = records_of(to_.object);
        const std::lock_guard guard(from.lock);
        unlink();
        is_listed_ = false;
        mine.swap(task_);
        // Newer records are in front. If this await is destroyed before it is ready, a newer await has replaced its
        // waker and misses no wake-up. So only older records are checked then.
        await_record* other = to_.part == nullptr ? nullptr : why == reason::ready ? from.first : next_;
        while (other != nullptr &&
               (other->to_.object != to_.object || other->to_.part != to_.part || other->task_.will_wake(mine)))
            other = other->next_;
        if (other != nullptr) {
            other->missed_ = where_;
            other->missed_by_ = spawned_at_;
            missed = other->task_;
        }
    }
    std::move(missed).wake();
}

void await_record::check(const void* object, const void* type, const char* name) noexcept {
    call_site where = nullptr;
    {
        record_list& of = records_of(object);
        const std::lock_guard guard(of.lock);
        const await_record* found = of.first;
        // relaxed: see ignore().
        while (found != nullptr && (found->to_.object != object || found->to_.type != type ||
                                    found->is_ignored_.load(std::memory_order_relaxed)))
            found = found->next_;
        if (found == nullptr) return;
        where = found->where_;
    }
    fatal_misuse(std::string(name) +
                     " was destroyed while a task awaits it: keep it until the task has ended, or move it into the "
                     "task. The co_await is",
                 source_location_of(where));
}

void note_acquired(const void* object, call_site where) noexcept {
    const std::uint64_t task = task_id_here();
    const std::lock_guard guard(acquired_lock);
    acquired_record_of(object) = {object, where, task};
}

call_site last_acquired(const void* object) noexcept { return last_acquired_record(object).where; }

acquired_record last_acquired_record(const void* object) noexcept {
    const std::lock_guard guard(acquired_lock);
    const acquired_record& record = acquired_record_of(object);
    return record.object == object ? record : acquired_record();
}

}  // namespace eddy::detail
