// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <type_traits>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>

// Detects that an object is destroyed while a task awaits it: while a coroutine is suspended at the co_await of a
// future that refers to the object.
//
// In coroutines that are compiled with EDDY_CHECKS, each await of such a future has a record in the coroutine frame.
// The record is in a table, by the object's address, for as long as the coroutine is suspended. The object's destructor
// looks for its address. Without EDDY_CHECKS there are no records, and the destructor only reads a flag.
//
// An object and its first member may have the same address, so a record also has the object's type.

namespace eddy::detail {

/// A future whose awaits are recorded. `awaited_object(future)` returns a pointer to the object that it refers to, or
/// to the future itself if programs keep it in a variable and await it there. It is a hidden friend of the future's
/// class.
template <class F>
concept names_awaited_object = requires(const F& future) { awaited_object(future); };

/// Identifies a type by its address.
template <class Object>
inline constexpr char type_tag = 0;

/// Whether there was a record since the start of the program.
EDDY_API extern std::atomic<bool> has_await_records;

/// The record of one await.
/// Thread safety: not synchronized; distinct records may be used on different threads.
/// Lifetime: it is in the table from begin() until end() or the destructor, and must not be moved.
class EDDY_API await_record {
public:
    template <class Object>
    explicit await_record(const Object* object) noexcept : object_(object), type_(&type_tag<Object>) {}
    await_record(const await_record&) = delete;
    await_record& operator=(const await_record&) = delete;
    ~await_record() { end(); }

    /// Enters the record into the table. `where` is the location of the co_await.
    void begin(call_site where) noexcept;
    /// Removes the record from the table. Does nothing if it is not there.
    void end() noexcept {
        if (is_listed_) remove();
    }

    /// Ends the program with a message if there is a record of `object`.
    static void check(const void* object, const void* type, const char* name) noexcept;

private:
    void remove() noexcept;

    const void* object_;
    const void* type_;
    call_site where_ = nullptr;
    await_record* previous_ = nullptr;
    await_record* next_ = nullptr;
    bool is_listed_ = false;
};

/// The record of an await that is not recorded.
struct no_await_record {
    explicit no_await_record(const void*) noexcept {}
    void begin(call_site) const noexcept {}
    void end() const noexcept {}
};

/// Returns the object that `future` refers to, or null if its awaits are not recorded.
template <class F>
auto awaited_object_of(const F& future) noexcept {
    if constexpr (names_awaited_object<F>) {
        return awaited_object(future);
    } else {
        return static_cast<const void*>(nullptr);
    }
}

/// For the destructor of an object that futures refer to: ends the program with a message if a task awaits the object.
/// `name` is its description, "a receiver".
/// Cost: reads one flag if there are no records.
template <class Object>
void check_not_awaited(const Object& object, const char* name) noexcept {
    // relaxed: the records are behind a lock. A record of this object was made before the destructor began.
    if (has_await_records.load(std::memory_order_relaxed)) [[unlikely]]
        await_record::check(std::addressof(object), &type_tag<Object>, name);
}

}  // namespace eddy::detail
