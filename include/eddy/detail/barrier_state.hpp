// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/tellers.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/waker.hpp>

// What is behind sync::barrier. All of it is under the lock.
//
//     rounds   how many times all have come. Who waits has the number of its round; when that is over, it is ready.
//     here     how many of this round wait
//
// Who is to be woken is the front of the list, as long as it is of a former round: so wakers go out in batches, whoever
// comes or leaves meanwhile.

namespace eddy::detail {

/// A future's part. Not moved while it waits.
struct barrier_waiter : waiter {
    enum class stages : std::uint8_t { fresh, waiting, ended };

    std::uint64_t round = 0;
    stages stage = stages::fresh;  ///< the future's own
};

class EDDY_API barrier_state {
public:
    enum class answers : std::uint8_t { not_yet, all_here, all_here_and_leads };

    explicit barrier_state(std::size_t count) noexcept : count_(count == 0 ? 1 : count) {}
    barrier_state(const barrier_state&) = delete;
    barrier_state& operator=(const barrier_state&) = delete;
    /// Waits for leaders that are about to leave, on other threads. True if nobody waits; else it is misuse, and the
    /// caller says so.
    [[nodiscard]] bool may_be_destroyed() noexcept;

    /// The first time, `one` arrives.
    [[nodiscard]] answers poll(barrier_waiter& one, const waker& wake) noexcept;
    /// `one` waits no more. If its round is not over, it has not arrived: false. Else all had come.
    bool leave(barrier_waiter& one) noexcept;

private:
    answers arrive(barrier_waiter& one, const waker& wake) noexcept;
    template <class Guard>
    void wake_former_rounds(Guard& guard) noexcept;

    const std::size_t count_;
    spin_lock lock_;
    std::size_t here_ = 0;
    std::uint64_t rounds_ = 0;
    tellers tellers_;
    waiter_list<barrier_waiter> waiting_;
};

}  // namespace eddy::detail
