// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/waker.hpp>

// Detects that an object is destroyed while a task awaits it: while a coroutine is suspended at the co_await of a
// future that refers to the object.
//
// In coroutines that are compiled with EDDY_CHECKS, an await of such a future has a record in the coroutine frame. The
// record is in a table, by the address of the object, for as long as the coroutine is suspended. The object's
// destructor looks for its address. Without EDDY_CHECKS there are no records, and the destructor only reads a flag.
//
// An object and its first member may have the same address, so a record also has the object's type.
//
// The records also detect two tasks that await the same part of an object. That part stores one waker, so only one of
// the tasks is woken. When an await ends, awaits of other tasks on the same part may have missed their wake-up. Such a
// task is woken. If it then polls its await again, it was waiting, and the program ends with a message. A task that has
// kept its future without polling it, or that was aborted meanwhile, is not reported.
//
// A combinator, which polls other futures (a timeout, a select), has a record for each object that these refer to. They
// are updated after each poll, because some of the futures may have ended. They are ignored during a poll, because an
// object may be destroyed after the future that refers to it: by the handler of a select, for example. An await of a
// combinator has missed its wake-up if it still refers to the object after the poll.
//
// The last await that has acquired a lock or permits is also remembered, for the message of a lock that is destroyed
// while it is held: in a table of fixed size, in which another object may replace the entry. The destructor does not
// remove the entry, so that it costs nothing without EDDY_CHECKS; the message says that only the address is known.

namespace eddy::detail {

/// A future whose awaits are recorded. A hidden friend of the future's class, `awaited_object(future)`, returns a
/// pointer to the object that the future refers to. If programs keep the future itself in a variable and await it
/// there, the function returns a pointer to the future.
template <class F>
concept names_awaited_object = requires(const F& future) { awaited_object(future); };

/// A combinator whose awaits are recorded. A hidden friend of the class, `awaited_objects(future)`, returns the objects
/// of the futures that it still polls: a std::array<awaited_ref, N>.
template <class F>
concept names_awaited_objects = requires(const F& future) { awaited_objects(future); };

/// An object that stores one waker: if several tasks await it, only one of them is woken. The class has a member
/// `static constexpr const char* wakes_one_task`, a description of its objects ("a sleep").
template <class Object>
concept wakes_one_task = requires { requires Object::wakes_one_task != nullptr; };
/// A future that writes to its object. The object stores a second waker for such futures.
template <class F>
concept writes_to_object = F::writes_to_object;

/// Identify, by their addresses, the part of an object that stores its waker, and the part that stores the waker of the
/// tasks that write to it. The values are descriptions of the object. They are exported, as is type_tag, because the
/// library and the program compare the addresses.
template <class Object>
EDDY_API inline constexpr const char* waiting_part = Object::wakes_one_task;
template <class Object>
EDDY_API inline constexpr const char* writing_part = Object::wakes_one_task;

/// Identifies a type by its address.
template <class Object>
EDDY_API inline constexpr char type_tag = 0;

/// An object to which an awaited future refers.
struct awaited_ref {
    const void* object = nullptr;  // null if there is none
    const void* type = nullptr;
    const char* const* part = nullptr;  // the part that stores the waker; null if any number of tasks may wait

    awaited_ref() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    /// Refers to an object whose destruction is detected.
    template <class Object>
    explicit awaited_ref(const Object* of) noexcept : object(of), type(&type_tag<Object>) {}
    /// Refers to the object of a future of type `F`. A second task that awaits the object is also detected.
    template <class F, class Object>
    awaited_ref(std::type_identity<F>, const Object* of) noexcept : awaited_ref(of) {
        if constexpr (writes_to_object<F> && wakes_one_task<Object>) {
            part = &writing_part<Object>;
        } else if constexpr (wakes_one_task<Object>) {
            part = &waiting_part<Object>;
        }
    }

    friend bool operator==(const awaited_ref&, const awaited_ref&) noexcept = default;
};

/// Returns the objects of a future as a std::array. It is empty if the class of the future names none.
template <class F>
auto awaited_objects_of(const F& future) noexcept {
    if constexpr (names_awaited_objects<F>) {
        return awaited_objects(future);
    } else if constexpr (names_awaited_object<F>) {
        return std::array{awaited_ref(std::type_identity<F>(), awaited_object(future))};
    } else {
        return std::array<awaited_ref, 0>();
    }
}
/// Same as above. Without objects if `future` is null, because it has ended.
template <class F>
auto awaited_objects_of(const F* future) noexcept {
    using objects = decltype(awaited_objects_of(*future));
    return future == nullptr ? objects() : awaited_objects_of(*future);
}

/// Returns the elements of several arrays.
template <std::size_t... N>
auto concatenated(const std::array<awaited_ref, N>&... parts) noexcept {
    std::array<awaited_ref, (N + ... + 0)> all;
    auto at = all.begin();
    const auto append = [&at](const auto& part) {
        for (const awaited_ref& each : part) *at++ = each;
    };
    (append(parts), ...);
    return all;
}

/// Whether a record was entered into the table since the start of the program.
EDDY_API extern std::atomic<bool> has_await_records;

/// The record of one object of an await.
/// Thread safety: not synchronized; distinct records may be used on different threads.
/// Lifetime: it is in the table from begin() until end() or the destructor, and must not be moved.
class EDDY_API await_record : immovable {
public:
    ~await_record() {
        if (is_listed_) remove(reason::destroyed);
    }

    /// Enters the record into the table, unless there is no object, for the co_await at `where`. `task` wakes its task.
    void begin(const awaited_ref& to, call_site where, const waker& task) noexcept;
    /// Ends the program with a message if the await has missed a wake-up. Otherwise stores `task`.
    void poll_again(const waker& task) noexcept {
        if (is_listed_ && to_.part != nullptr) check_wakeup(task);
    }
    /// Removes the record from the table. `was_ready` is whether the await has taken what the object had to give. Does
    /// nothing if the record is not in the table.
    void end(bool was_ready) noexcept {
        if (is_listed_) remove(was_ready ? reason::ready : reason::destroyed);
    }

    /// For combinators. From ignore() until update(), the object may be destroyed. update() records that the poll was
    /// not ready, that the combinator refers to `to` now, and that the object has the waker `task`. Ends the program
    /// with a message if the await still refers to the object and has missed a wake-up.
    void ignore() noexcept {
        // relaxed: pairs with nothing. The objects are destroyed by this thread, which polls; if another thread
        // destroys one, the record may be found or not.
        is_ignored_.store(true, std::memory_order_relaxed);
    }
    void update(const awaited_ref& to, const waker& task) noexcept;

    /// Ends the program with a message if there is a record of `object`.
    static void check(const void* object, const void* type, const char* name) noexcept;

private:
    enum class reason : unsigned char { ready, destroyed };
    void enter(const awaited_ref& to, const waker& task) noexcept;
    void link() noexcept;
    void unlink() noexcept;
    void remove(reason why) noexcept;
    void check_wakeup(const waker& task) noexcept;

    awaited_ref to_;
    call_site where_ = nullptr;
    waker task_;
    call_site spawned_at_ = nullptr;  // the spawn of the task, or null
    call_site missed_ = nullptr;      // the co_await that may have taken the wake-up of this one, or null
    call_site missed_by_ = nullptr;   // the spawn of that task, or null
    await_record* previous_ = nullptr;
    await_record* next_ = nullptr;
    std::atomic<bool> is_ignored_{false};
    bool is_listed_ = false;
};

/// The records of an await of a future of type `F`.
template <class F>
class await_records {
    static constexpr bool is_combinator = names_awaited_objects<F>;
    static constexpr std::size_t count = std::tuple_size_v<decltype(awaited_objects_of(std::declval<const F&>()))>;

public:
    /// See await_record.
    void begin(const F& future, call_site where, const waker& task) noexcept {
        const auto to = awaited_objects_of(future);
        for (std::size_t i = 0; i < count; ++i) records_[i].begin(to[i], where, task);
    }
    void end() noexcept {
        for (await_record& one : records_) one.end(!is_combinator);
    }

    /// Call these functions before a poll; after one that was not ready; and before a graceful cancellation.
    void before_poll(const waker& task) noexcept {
        if constexpr (is_combinator) {
            ignore();
        } else {
            for (await_record& one : records_) one.poll_again(task);
        }
    }
    void after_poll(const F& future, const waker& task) noexcept {
        if constexpr (is_combinator) {
            const auto to = awaited_objects_of(future);
            for (std::size_t i = 0; i < count; ++i) records_[i].update(to[i], task);
        }
    }
    void before_cancel() noexcept {
        if constexpr (is_combinator) ignore();
    }

private:
    void ignore() noexcept {
        for (await_record& one : records_) one.ignore();
    }

    std::array<await_record, count> records_;
};

/// The records of an await of a task, which has no future.
struct no_await_records {};

/// A future whose output holds permits. A hidden friend of the future's class, `acquired_from(future)`, returns a
/// pointer to the object that has them.
template <class F>
concept names_acquired_object = requires(const F& future) { acquired_from(future); };

/// Remembers that the await at `where` has acquired permits of `object`.
EDDY_API void note_acquired(const void* object, call_site where) noexcept;
/// Returns the last such await of this object, or of a former object with its address. Null if it is unknown.
[[nodiscard]] EDDY_API call_site last_acquired(const void* object) noexcept;

/// For the destructor of an object that futures refer to: ends the program with a message if a task awaits the object.
/// `name` is its description, "a receiver". The object may be the part of another one.
/// Cost: reads one flag if there are no records.
template <class Object>
void check_not_awaited(const Object* object, const char* name) noexcept {
    // relaxed: the flag publishes no other data; a lock guards the records. If there is a record of this object, the
    // flag was set before the destructor began.
    if (has_await_records.load(std::memory_order_relaxed)) [[unlikely]]
        await_record::check(object, &type_tag<Object>, name);
}

}  // namespace eddy::detail
