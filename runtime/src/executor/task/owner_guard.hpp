// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

/// Prevents the destruction of every spawned_task_owner while it exists. Used by threads that abort tasks, or
/// wake tasks whose owner does not run on them.
///
/// Without it there is a race. A thread sets a task's `notified` bit. Before it returns from schedule() of the owner, a
/// shutdown destroys the task, and then the owner. So a wake from outside announces itself before it
/// accesses the task's word. Before an owner is freed, it waits until each announcement has ended
/// (await_wakers_outside()).
/// Cost: two atomic additions, normally without contention.
class owner_guard : immovable {
public:
    owner_guard() noexcept;
    ~owner_guard();

private:
    atomic<std::uint32_t>& mine_;
};

/// Waits until all guards that exist now have ended. May also wait for guards that begin meanwhile.
void await_wakers_outside() noexcept;
/// Makes forked child processes start without guards: the guards of the parent's other threads would never end there.
/// Each kind of owner that uses await_wakers_outside() must call this before.
void forget_wakers_in_children() noexcept;

}  // namespace eddy::detail
