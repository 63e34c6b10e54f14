// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/waker.hpp>

#include "explore/explore.hpp"

namespace explore {

/// Models a task: a thread that sleeps until it is woken. Each waker is a heap block, so the explorer finds a waker
/// that is dropped twice or never.
class sleeping_task {
public:
    /// `orders`: whether a wake-up orders memory, see explore::event. The queue of a real executor does. If `orders` is
    /// false, the model tests whether the explored code's own memory orders suffice.
    explicit sleeping_task(bool orders = true) : woken_(orders) {}

    [[nodiscard]] eddy::waker waker() { return {&vtable, new reference{&woken_}}; }
    void sleep() noexcept { woken_.wait(); }

private:
    struct reference {
        event* woken;
    };

    // SAFETY: `data` is a reference that waker() or clone() allocated. The waker owns it until drop() or wake().
    static reference& of(void* data) noexcept { return *static_cast<reference*>(data); }
    static void* clone(void* data) noexcept { return new reference(of(data)); }
    static void wake(void* data) noexcept {
        wake_by_ref(data);
        drop(data);
    }
    static void wake_by_ref(void* data) noexcept { of(data).woken->set(); }
    static void drop(void* data) noexcept { delete &of(data); }
    static constexpr eddy::waker_vtable vtable{&clone, &wake, &wake_by_ref, &drop};

    event woken_;
};

}  // namespace explore
