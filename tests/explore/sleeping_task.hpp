// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/waker.hpp>

#include "explore/explore.hpp"

namespace explore {

/// What stands for a task in a model: a thread that sleeps until it is woken. Each waker is a block of the heap, so
/// that one that is dropped twice, or never, is found.
class sleeping_task {
public:
    /// `orders`: as explore::event. An executor's queue does order; without it a model asks more.
    explicit sleeping_task(bool orders = true) : woken_(orders) {}

    [[nodiscard]] eddy::waker waker() { return {&vtable, new reference{&woken_}}; }
    void sleep() noexcept { woken_.wait(); }

private:
    struct reference {
        event* woken;
    };

    // SAFETY: `data` is a reference that waker() or clone() made, and that nobody has deleted yet.
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
