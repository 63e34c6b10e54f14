// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/prelude.hpp>

namespace bench::rt {

/// Is never ready, and waits as for a notify that nobody notifies: in a list under a lock, with its waker.
/// To be replaced by sync::notify as soon as there is one.
class never {
public:
    using output_type = void;

    never() noexcept = default;
    never(never&& unpolled) noexcept : never() { static_cast<void>(unpolled); }
    never& operator=(never&&) = delete;
    ~never();

    eddy::poll_result<void> poll(eddy::context& cx);

private:
    never* previous_ = nullptr;  // null until it waits
    never* next_ = nullptr;
    eddy::waker waker_;
};

/// A task that counts itself and then waits for what never comes.
[[nodiscard]] eddy::task<void> park();

/// How many tasks have come to park(), in all of the process's time.
[[nodiscard]] std::uint64_t parked() noexcept;

}  // namespace bench::rt
