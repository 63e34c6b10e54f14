// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>
#include <utility>

#include <eddy/detail/proto_buffer.hpp>
#include <eddy/error.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

namespace eddy::proto {

/// Returns a layer that moves the service into a separate task, which runs up to `concurrent` calls at a time. Up to
/// `room` further calls wait in a queue. While the queue is full, callers wait. The layer allows many tasks and threads
/// to call a service that supports only one thread, or only one call at a time.
///
/// The layer spawns the task when it is put around a service. The task ends after the last copy of the returned service
/// is destroyed and the last call has ended. The copies may be destroyed while calls wait. A call that is dropped is
/// cancelled if it runs, and is otherwise not started. An exception of the service is thrown to the caller.
/// Errors: a call returns errc::channel_closed if the task was aborted, for example by a shutdown, and
/// std::errc::not_enough_memory if the task could not begin it. Throws `misuse` if `room` or `concurrent` is 0, or if
/// spawn() is not possible on this thread.
/// Cost: for each call, a oneshot channel, and a future in the task.
[[nodiscard]] inline auto buffer(std::size_t room, std::size_t concurrent = 1,
                                 std::source_location where = std::source_location::current()) {
    if (room == 0 || concurrent == 0)
        throw misuse(
            "buffer() needs a queue for at least one call, and at least one concurrent call: pass at least 1 for both",
            where);
    return layer([room, concurrent, where]<class S>(S inner) {
        auto ends = sync::mpsc<detail::buffered_call<S>>::channel(room, where);
        spawn_background(detail::run_buffer<S>(std::move(inner), std::move(ends.receiver), concurrent), where).detach();
        return detail::buffered_service<S>(std::move(ends.sender));
    });
}

}  // namespace eddy::proto
