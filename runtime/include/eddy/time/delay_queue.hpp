// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

/// A priority queue of deadlines for numbered slots. The earliest deadline is first; equal deadlines are in the order
/// in which they were pushed or changed.
///
/// A 4-ary heap (Johnson, Information Processing Letters 4, 1975) with the heap position of each slot. Compared with a
/// timer wheel, it is exact to the nanosecond instead of to a tick, and takes 32 bytes per slot instead of a fixed
/// 20 KB.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
/// Cost: O(log n) per operation. push(), remove() and change() are O(1) on average, because most items are near the
/// bottom of the heap. This also holds if each new deadline is the latest, as with one timeout for all slots.
class EDDY_API deadline_heap {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] bool is_empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    /// Returns the slot with the earliest deadline, and that deadline.
    /// Preconditions: the heap is not empty.
    [[nodiscard]] std::size_t first() const noexcept { return items_.front().slot; }
    [[nodiscard]] time_point first_deadline() const noexcept { return items_.front().deadline; }
    /// Returns the deadline of a slot.
    /// Preconditions: the slot is in the heap.
    [[nodiscard]] time_point deadline_of(std::size_t slot) const noexcept { return items_[places_[slot]].deadline; }

    /// Allocates memory for slots 0 to `count` - 1, so that push() does not allocate for them.
    void reserve(std::size_t count);

    /// Adds a slot.
    /// Preconditions: the slot is not in the heap.
    void push(std::size_t slot, time_point deadline);
    /// Removes a slot, or changes its deadline.
    /// Preconditions: the slot is in the heap.
    void remove(std::size_t slot) noexcept;
    void change(std::size_t slot, time_point deadline) noexcept;
    void clear() noexcept;

    /// Renumbers slot `from` as slot `to`.
    /// Preconditions: `from` is in the heap. `to` is not in the heap, but a slot with the number `to` or a higher
    /// number was pushed before.
    void move(std::size_t from, std::size_t to) noexcept;
    /// Releases unused memory.
    /// Preconditions: all slots in the heap are less than `slots`.
    void shrink_to(std::size_t slots);

private:
    struct item {
        time_point deadline;
        std::uint64_t order;  // breaks ties: increases with each push() and change()
        std::size_t slot;
    };
    static constexpr std::size_t arity = 4;

    [[nodiscard]] static bool comes_before(const item& a, const item& b) noexcept {
        return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
    }
    void put(std::size_t place, const item& what) noexcept;
    void sift_up(std::size_t place, const item& what) noexcept;
    void sift_down(std::size_t place, const item& what) noexcept;

    std::vector<item> items_;
    std::vector<std::size_t> places_;  // by slot: its index in items_, or `nowhere`
    std::uint64_t next_order_ = 0;
};

/// A growing array that allocates chunks of 16 elements. Growth never moves an element. So the constructor or
/// destructor of a value may itself grow the array, and growth cannot fail because a move constructor throws.
/// Cost: one allocation per 16 elements, and the amortized growth of the table of chunks.
template <class Slot>
class slot_chunks {
public:
    [[nodiscard]] std::size_t size() const noexcept { return chunks_.size() * per_chunk; }
    [[nodiscard]] Slot& operator[](std::size_t at) noexcept { return chunks_[at / per_chunk][at % per_chunk]; }
    [[nodiscard]] const Slot& operator[](std::size_t at) const noexcept {
        return chunks_[at / per_chunk][at % per_chunk];
    }

    /// Appends a chunk of slots.
    void grow() { chunks_.push_back(std::make_unique<Slot[]>(per_chunk)); }
    /// Destroys the trailing chunks that contain none of the first `slots` elements.
    void shrink_to(std::size_t slots) noexcept {
        const std::size_t kept = (slots + per_chunk - 1) / per_chunk;
        while (chunks_.size() > kept) chunks_.pop_back();
        if (chunks_.empty()) std::vector<std::unique_ptr<Slot[]>>().swap(chunks_);
    }

private:
    static constexpr std::size_t per_chunk = 16;

    std::vector<std::unique_ptr<Slot[]>> chunks_;
};

}  // namespace eddy::detail

namespace eddy::time {

/// Identifies a value in a delay_queue until it expires or is removed. Keys are not reused.
/// Thread safety: a value type; concurrent reads are safe.
class delay_key {
public:
    /// Compares the keys. Keys of different queues may compare equal.
    friend bool operator==(const delay_key&, const delay_key&) noexcept = default;

private:
    template <class T>
    friend class delay_queue;
    friend struct std::hash<delay_key>;

    delay_key(std::size_t slot, std::uint64_t number) noexcept : slot_(slot), number_(number) {}

    std::size_t slot_;      // the slot at which it was inserted
    std::uint64_t number_;  // the number of earlier insertions
};

/// A queue of values that each expire at their own deadline, for caches and sessions. It is a stream of the expired
/// values in the order of their deadlines. Values with equal deadlines are ordered by their last insertion or reset.
///
///     eddy::time::delay_queue<session_id> expiring;
///     auto key = expiring.insert(id, 30s);
///     expiring.reset(key, 30s);                                            // it was used
///     while (auto gone = co_await expiring.next()) forget(gone->value);    // ends when the queue is empty
///
/// No value expires before its deadline. The stream ends when the queue is empty, and continues after the next
/// insertion. While a next() waits, another branch of the same task may insert, reset or remove values; the next()
/// takes that into account.
/// Errors: a function that takes a key throws `misuse` if its value has expired or was removed, unless documented
/// otherwise. A key of another queue is not always detected. next() needs an event loop, as a sleep does. If a move of
/// a T throws, the moved value may be lost, and the queue remains usable.
/// Cancel safety: safe. A next() that is dropped before it is ready removes no value.
/// Lifetime: the queue must outlive its next() futures and must not be moved while one of them waits. Values are moved
/// in and out. The destructor of a T may insert and remove; it must not call clear() or compact().
/// Cost: one timer for the whole queue. insert, remove and reset are O(1) on average and O(log n) in the worst case.
/// Taking an expired value is O(log n). One allocation per 16 values beyond the capacity.
template <class T>
class delay_queue : public stream_ops<delay_queue<T>> {
public:
    /// The types of the values and of their keys.
    using value_type = T;
    using key = delay_key;

    /// An item of the stream: an expired or removed value.
    struct expired {
        T value;              ///< the value
        time_point deadline;  ///< the instant at which it is due
        delay_key key;        ///< the key of its insertion, which is no longer valid

        /// For use by delay_queue.
        expired(T&& what, time_point when, delay_key under) : value(std::move(what)), deadline(when), key(under) {}
    };
    using item_type = expired;
    /// For select_loop: the stream may have items after its end.
    static constexpr bool continues_after_end = true;

    static constexpr const char* wakes_one_task = "a delay_queue";

    /// Creates an empty queue. `where` is the call site for error messages.
    explicit delay_queue(std::source_location where = std::source_location::current()) noexcept
        : wait_(time_point::max(), where), where_(where) {}
    /// Creates an empty queue with a capacity of `capacity` values.
    /// Errors: same as reserve().
    explicit delay_queue(std::size_t capacity, std::source_location where = std::source_location::current())
        : delay_queue(where) {
        reserve(capacity);
    }
    // The timer is not moved, and the next poll arms a new one. So a queue may be moved although it has been polled.
    delay_queue(delay_queue&& other) noexcept : delay_queue(other.where_) { swap(other); }
    delay_queue& operator=(delay_queue&& other) noexcept {
        delay_queue taken(std::move(other));
        swap(taken);
        return *this;
    }
    ~delay_queue() { eddy::detail::check_not_awaited(this, "a delay_queue"); }

    /// Inserts `value`, which expires `d` from now. With a `d` of zero or less it expires immediately. With a `d` that
    /// exceeds the clock's range it never expires.
    /// Cost: see the class.
    template <class Rep, class Period>
    delay_key insert(T value, std::chrono::duration<Rep, Period> d) {
        return insert_at(std::move(value), deadline_after(d));
    }
    /// Inserts `value`, which expires at `deadline`. A deadline in the past expires immediately; time_point::max()
    /// never expires.
    delay_key insert_at(T value, time_point deadline);

    /// Removes a value before its deadline and returns it.
    /// Errors: throws `misuse` if the value has expired or was removed.
    expired remove(delay_key which, std::source_location where = std::source_location::current()) {
        return take(find(which, where));
    }
    /// Same as remove(), but returns nothing if the value has expired or was removed.
    std::optional<expired> try_remove(delay_key which) {
        const std::size_t at = slot_of(which);
        return at == none ? std::optional<expired>() : std::optional<expired>(take(at));
    }

    /// Sets the deadline of a value to `d` from now.
    /// Errors: throws `misuse` if the value has expired or was removed.
    template <class Rep, class Period>
    void reset(delay_key which, std::chrono::duration<Rep, Period> d,
               std::source_location where = std::source_location::current()) {
        reset_at(which, deadline_after(d), where);
    }
    /// Sets the deadline of a value to `deadline`.
    /// Errors: throws `misuse` if the value has expired or was removed.
    void reset_at(delay_key which, time_point deadline, std::source_location where = std::source_location::current()) {
        order_.change(find(which, where), deadline);
        follow_first();
    }

    /// Returns true if the value is in the queue.
    [[nodiscard]] bool contains(delay_key which) const noexcept { return slot_of(which) != none; }
    /// Returns the deadline of a value.
    /// Errors: throws `misuse` if the value has expired or was removed.
    [[nodiscard]] time_point deadline(delay_key which,
                                      std::source_location where = std::source_location::current()) const {
        return order_.deadline_of(find(which, where));
    }
    /// Returns the key of the value that expires next, or nothing if the queue is empty.
    [[nodiscard]] std::optional<delay_key> peek() const noexcept {
        if (is_empty()) return std::nullopt;
        return slots_[order_.first()].key;
    }

    /// Returns the number of values, and whether there are none.
    [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return order_.is_empty(); }

    /// Destroys all values. Keeps the capacity.
    void clear() noexcept;

    /// Returns how many values fit without an allocation.
    [[nodiscard]] std::size_t capacity() const noexcept { return slots_.size(); }
    /// Allocates capacity for `additional` more values.
    /// Errors: throws std::length_error if the number of values would exceed the range of std::size_t.
    void reserve(std::size_t additional);
    /// Releases unused memory. Keys stay valid. O(n). The values that it moves are looked up in a hash table from then
    /// on.
    void compact();

    /// The stream function: returns an expired value, or nothing if the queue is empty.
    poll_result<std::optional<expired>> poll_next(context& cx);

    static constexpr auto wait_shape() { return inspect::waits_as(&delay_queue::wait_); }

private:
    static constexpr std::size_t none = detail::deadline_heap::nowhere;
    static constexpr std::uint64_t no_number = std::numeric_limits<std::uint64_t>::max();

    // A free slot has neither a value nor a number; a used slot has both. While code of T runs, a slot may have only
    // one of them; it is in no list then.
    struct slot {
        std::optional<T> value;
        delay_key key{none, no_number};
        std::size_t next_free = none;

        [[nodiscard]] bool is_used() const noexcept { return key.number_ != no_number; }
    };
    class rebuilt_free_list;

    /// Returns the slot of a value, or `none` if the value has expired or was removed.
    [[nodiscard]] std::size_t slot_of(delay_key which) const noexcept;
    [[nodiscard]] std::size_t find(delay_key which, const std::source_location& where) const;
    [[nodiscard]] std::size_t take_free();
    void put_free(std::size_t at) noexcept { slots_[at].next_free = std::exchange(first_free_, at); }
    expired take(std::size_t at);
    void move_value(std::size_t from, std::size_t to);
    void follow_first() noexcept;
    void swap(delay_queue& other) noexcept;

    detail::slot_chunks<slot> slots_;
    detail::deadline_heap order_;  // of the used slots
    // By number: the slot to which compact() has moved the value.
    std::unordered_map<std::uint64_t, std::size_t> moved_;
    std::size_t first_free_ = none;
    std::size_t first_unused_ = 0;  // slots from this index on are free and not in the free list
    std::uint64_t next_number_ = 0;
    sleep_future wait_;
    std::source_location where_;
};

// ---- Implementation ----
// The destructor and the moves of a T may use the queue. The queue is consistent whenever they run, and no slot is in
// two lists.

template <class T>
std::size_t delay_queue<T>::take_free() {
    if (first_free_ != none) return std::exchange(first_free_, slots_[first_free_].next_free);
    if (first_unused_ == slots_.size()) slots_.grow();
    return first_unused_++;
}

template <class T>
delay_key delay_queue<T>::insert_at(T value, time_point deadline) {
    const std::size_t at = take_free();
    slot& into = slots_[at];
    try {
        into.value.emplace(std::move(value));
        order_.push(at, deadline);
    } catch (...) {
        into.value.reset();
        put_free(at);
        throw;
    }
    into.key = delay_key(at, next_number_++);
    follow_first();
    return into.key;
}

template <class T>
auto delay_queue<T>::take(std::size_t at) -> expired {
    slot& from = slots_[at];
    expired taken(*std::move(from.value), order_.deadline_of(at), from.key);
    order_.remove(at);
    if (!moved_.empty()) moved_.erase(from.key.number_);
    from.key.number_ = no_number;
    follow_first();
    from.value.reset();
    put_free(at);
    return taken;
}

template <class T>
poll_result<std::optional<typename delay_queue<T>::expired>> delay_queue<T>::poll_next(context& cx) {
    if (is_empty()) return poll_result<std::optional<expired>>(std::nullopt);
    if (!cx.consume_budget()) return not_ready;
    if (order_.first_deadline() > clock::now()) {
        cx.refund_budget();
        follow_first();
        if (!wait_.poll(cx).is_ready()) return not_ready;  // consumes the unit of the budget if it is ready
    }
    return std::optional<expired>(take(order_.first()));
}

/// Sets the timer to the deadline of the first value, so that it wakes the waiting task. If the queue is empty, the
/// timer fires immediately.
template <class T>
void delay_queue<T>::follow_first() noexcept {
    const time_point first = is_empty() ? time_point::min() : order_.first_deadline();
    if (wait_.deadline() != first) wait_.reset(first);
}

template <class T>
std::size_t delay_queue<T>::slot_of(delay_key which) const noexcept {
    const auto holds = [&](std::size_t at) {
        return at < slots_.size() && slots_[at].is_used() && slots_[at].key.number_ == which.number_;
    };
    if (holds(which.slot_)) return which.slot_;
    if (moved_.empty()) return none;
    const auto moved = moved_.find(which.number_);
    return moved != moved_.end() && holds(moved->second) ? moved->second : none;
}

template <class T>
std::size_t delay_queue<T>::find(delay_key which, const std::source_location& where) const {
    const std::size_t at = slot_of(which);
    if (at == none)
        throw misuse(
            "the key of a delay_queue is stale: its value has expired or was removed; call contains() first, or use "
            "try_remove()",
            where);
    return at;
}

template <class T>
void delay_queue<T>::clear() noexcept {
    order_.clear();
    moved_.clear();
    for (std::size_t at = 0; at < slots_.size(); ++at) slots_[at].key.number_ = no_number;
    follow_first();
    for (std::size_t at = 0; at < slots_.size(); ++at) {
        if (slots_[at].is_used() || !slots_[at].value.has_value()) continue;
        slots_[at].value.reset();
        put_free(at);
    }
}

template <class T>
void delay_queue<T>::reserve(std::size_t additional) {
    if (additional > std::numeric_limits<std::size_t>::max() - size())
        throw std::length_error("delay_queue::reserve(): too many values");
    order_.reserve(size() + additional);  // first, because it fails early if the size is impossible
    while (slots_.size() < size() + additional) slots_.grow();
}

/// Excludes all free slots from use while it exists: values that are inserted meanwhile use new slots at the end. The
/// destructor rebuilds the free list.
/// Thread safety: same as the queue.
template <class T>
class delay_queue<T>::rebuilt_free_list {
public:
    /// Excludes the free slots of `of`.
    explicit rebuilt_free_list(delay_queue& of) noexcept : queue_(of) { forget(); }
    rebuilt_free_list(const rebuilt_free_list&) = delete;
    rebuilt_free_list& operator=(const rebuilt_free_list&) = delete;
    ~rebuilt_free_list() {
        forget();
        for (std::size_t at = queue_.slots_.size(); at-- > 0;) {
            if (!queue_.slots_[at].is_used() && !queue_.slots_[at].value.has_value()) queue_.put_free(at);
        }
    }

private:
    void forget() noexcept {
        queue_.first_free_ = none;
        queue_.first_unused_ = queue_.slots_.size();
    }

    delay_queue& queue_;
};

/// Moves the last values to the first free slots, one by one. If a move throws, each other value can still be found by
/// its key.
template <class T>
void delay_queue<T>::compact() {
    const rebuilt_free_list when_done(*this);
    std::size_t to = 0;
    std::size_t from = slots_.size();
    for (;;) {
        while (to < from && slots_[to].is_used()) ++to;
        while (from > to && !slots_[from - 1].is_used()) --from;
        if (to == from) break;
        move_value(from - 1, to);
    }
    std::size_t kept = slots_.size();
    while (kept > 0 && !slots_[kept - 1].is_used()) --kept;
    slots_.shrink_to(kept);
    order_.shrink_to(kept);
}

template <class T>
void delay_queue<T>::move_value(std::size_t from, std::size_t to) {
    slot& source = slots_[from];
    slot& target = slots_[to];
    const auto place = moved_.try_emplace(source.key.number_, from).first;
    target.value.emplace(std::move(*source.value));
    place->second = to;
    target.key = std::exchange(source.key, delay_key(none, no_number));
    order_.move(from, to);
    source.value.reset();
}

/// Swaps everything except the timers, which stay where they are.
template <class T>
void delay_queue<T>::swap(delay_queue& other) noexcept {
    std::swap(slots_, other.slots_);
    std::swap(order_, other.order_);
    std::swap(moved_, other.moved_);
    std::swap(first_free_, other.first_free_);
    std::swap(first_unused_, other.first_unused_);
    std::swap(next_number_, other.next_number_);
    follow_first();
    other.follow_first();
}

}  // namespace eddy::time

/// Hash of a delay_key.
template <>
struct std::hash<eddy::time::delay_key> {
    std::size_t operator()(const eddy::time::delay_key& key) const noexcept {
        return std::hash<std::uint64_t>()(key.number_);
    }
};
