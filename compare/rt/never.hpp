// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/prelude.hpp>

namespace bench::rt {

/// A future that is never ready. While it waits, it is in a list that a lock protects, and stores its waker, like a
/// waiter of a sync::notify.
class never {
public:
    using output_type = void;

    never() noexcept = default;
    never(never&& unpolled) noexcept : never() { static_cast<void>(unpolled); }
    never& operator=(never&&) = delete;
    ~never();

    eddy::poll_result<void> poll(eddy::context& cx);

private:
    never* previous_ = nullptr;  // null before the first poll
    never* next_ = nullptr;
    eddy::waker waker_;
};

/// A task that increments the counter of parked() and then waits forever.
[[nodiscard]] eddy::task<void> park();

/// Returns the number of tasks that have started park() in this process.
[[nodiscard]] std::uint64_t parked() noexcept;

}  // namespace bench::rt
