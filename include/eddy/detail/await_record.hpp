// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <type_traits>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/waker.hpp>

// Detects that an object is destroyed while a task awaits it: while a coroutine is suspended at the co_await of a
// future that refers to the object.
//
// In coroutines that are compiled with EDDY_CHECKS, each await of a future has a record in the coroutine frame. The
// record is in a table, by the address of the object or else of the record, for as long as the coroutine is suspended.
// The object's destructor looks for its address, and print_awaits() prints all records. Without EDDY_CHECKS there are
// no records, and the destructor only reads a flag.
//
// An object and its first member may have the same address, so a record also has the object's type.
//
// The records also detect two tasks that await the same part of an object. That part stores one waker, so only one of
// the tasks is woken. When an await ends, awaits of other tasks on the same part may have missed their wake-up. Such a
// task is woken. If it then polls its await again, it was waiting, and the program ends with a message. A task that has
// kept its future without polling it, or that was aborted meanwhile, is not reported.

namespace eddy::detail {

/// A future whose awaits are recorded. A hidden friend of the future's class, `awaited_object(future)`, returns a
/// pointer to the object that the future refers to. If programs keep the future itself in a variable and await it
/// there, the function returns a pointer to the future.
template <class F>
concept names_awaited_object = requires(const F& future) { awaited_object(future); };

/// An object that stores one waker: if several tasks await it, only one of them is woken.
template <class Object>
concept wakes_one_task = Object::wakes_one_task;
/// A future that writes to its object. The object stores a second waker for such futures.
template <class F>
concept writes_to_object = F::writes_to_object;

/// The part of an object that stores the waker of the tasks that write to it.
template <class Object>
struct writing_part;

/// Identifies a type by its address.
template <class Object>
inline constexpr char type_tag = 0;

/// Whether a record was entered into the table since the start of the program.
EDDY_API extern std::atomic<bool> has_await_records;

/// The record of one await.
/// Thread safety: not synchronized; distinct records may be used on different threads.
/// Lifetime: it is in the table from begin() until end() or the destructor, and must not be moved.
class EDDY_API await_record {
public:
    /// Creates the record of an await of a future of type `F`. `object` is what awaited_object_of() returned.
    template <class F, class Object>
    await_record(const F&, const Object* object) noexcept
        : object_(object != nullptr ? static_cast<const void*>(object) : this), type_(&type_tag<Object>) {
        if constexpr (writes_to_object<F> && wakes_one_task<Object>) {
            part_ = &type_tag<writing_part<Object>>;
        } else if constexpr (wakes_one_task<Object>) {
            part_ = type_;
        }
    }
    await_record(const await_record&) = delete;
    await_record& operator=(const await_record&) = delete;
    ~await_record() {
        if (is_listed_) remove(reason::destroyed);
    }

    /// Enters the record into the table. `where` is the location of the co_await, and `task` wakes its task.
    void begin(call_site where, const waker& task) noexcept;
    /// Ends the program with a message if the await has missed a wake-up. Otherwise stores `task`.
    void poll_again(const waker& task) noexcept {
        if (part_ != nullptr) check_wakeup(task);
    }
    /// Removes the record from the table, because its await is ready. Does nothing if it is not there.
    void end() noexcept {
        if (is_listed_) remove(reason::ready);
    }

    /// Ends the program with a message if there is a record of `object`.
    static void check(const void* object, const void* type, const char* name) noexcept;
    /// Implements print_awaits().
    static void print();

private:
    enum class reason : unsigned char { ready, destroyed };
    void remove(reason why) noexcept;
    void check_wakeup(const waker& task) noexcept;

    const void* object_;
    const void* type_;
    const void* part_ = nullptr;  // the type of the part that stores the waker; null if any number of tasks may wait
    call_site where_ = nullptr;
    waker task_;
    call_site missed_ = nullptr;  // the co_await that may have taken the wake-up of this one, or null
    await_record* previous_ = nullptr;
    await_record* next_ = nullptr;
    bool is_listed_ = false;
};

/// The record of an await of a task, which has no future.
struct no_await_record {
    template <class F>
    no_await_record(const F&, const void*) noexcept {}
    void begin(call_site, const waker&) const noexcept {}
    void end() const noexcept {}
};

/// Returns the object that `future` refers to. Returns null if the class of the future names no object; then only
/// print_awaits() uses the record.
template <class F>
auto awaited_object_of(const F& future) noexcept {
    if constexpr (names_awaited_object<F>) {
        return awaited_object(future);
    } else {
        return static_cast<const void*>(nullptr);
    }
}

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
