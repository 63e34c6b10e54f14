// SPDX-License-Identifier: MIT
// What the executor defines in eddy::eddy, for programs with eddy::futures alone: there are no tasks and no reports.
// There are no timers either: send_timeout(), close_gracefully() and an idle timeout of io::copy_bidirectional() do not
// link.
#include <eddy/future/detail/operation_guard.hpp>

#include "executor/reports/endless_wait.hpp"
#include "future/asked_of_tasks.hpp"

namespace eddy::detail {

void note_forced_yield() noexcept {}

bool wakes_aborted_task(const waker&) noexcept { return false; }
bool gives_way(const waker&, bool, aborted_tasks) noexcept { return false; }
call_site spawn_site_here() noexcept { return nullptr; }
std::uint64_t task_id_here() noexcept { return 0; }

endless_wait::limit endless_wait::begin(std::uint64_t) noexcept { return std::nullopt; }
void endless_wait::leave() noexcept {}

}  // namespace eddy::detail
