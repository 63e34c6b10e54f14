// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/local_tasks.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// Threads, each with a loop and a local set of its own, and tasks that stay on the thread where they began. So a task
/// may hold what belongs to one thread, or must not cross threads.
///     eddy::local_pool pool(4);
///     auto answer = pool.spawn_pinned([] { return work(); });      // a coroutine, made and run on one of the threads
///     co_await answer;
/// eddy::spawn_local and eddy::spawn in such a task stay on its thread.
///
/// Destroying it destroys its tasks, each on its thread, and joins the threads. One that was moved from has no threads:
/// spawning on it throws `misuse`.
/// Thread safety: any thread; it must not be destroyed by one of its tasks.
class EDDY_API local_pool {
public:
    /// Throws std::system_error if there are too many descriptors or threads; `misuse` for no threads.
    explicit local_pool(std::size_t threads, std::source_location where = std::source_location::current());
    /// As the constructor, with the error as a value; invalid_argument for no threads.
    [[nodiscard]] static result<local_pool> make(std::size_t threads) noexcept;

    local_pool(local_pool&&) noexcept;
    local_pool& operator=(local_pool&&) noexcept;
    ~local_pool();

    /// Runs `work` on the thread that has the fewest tasks. `work` is called there: a callable without parameters that
    /// makes a future, or returns a value. (The callable itself crosses the thread; so does a future that is given
    /// directly.) Cost: one block of the frame pool, and a system call if the thread sleeps.
    template <class W>
    auto spawn_pinned(W&& work, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_spawned<W>()) {
            return detail::spawn_in(least_loaded(where), std::forward<W>(work), where);
        } else {
            return detail::broken_future();
        }
    }

    /// The same on the thread of that number, which is less than size(). Throws `misuse` for another one.
    template <class W>
    auto spawn_pinned_by_idx(W&& work, std::size_t index,
                             std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_spawned<W>()) {
            return detail::spawn_in(at(index, "local_pool::spawn_pinned_by_idx()", where), std::forward<W>(work),
                                    where);
        } else {
            return detail::broken_future();
        }
    }

    /// How many threads there are.
    [[nodiscard]] std::size_t size() const noexcept;
    /// About how many tasks a thread has.
    [[nodiscard]] std::size_t load(std::size_t index,
                                   std::source_location where = std::source_location::current()) const;

private:
    struct running;
    explicit local_pool(std::unique_ptr<running> made) noexcept;

    [[nodiscard]] detail::local_tasks& least_loaded(std::source_location where) const;
    [[nodiscard]] detail::local_tasks& at(std::size_t index, const char* what, std::source_location where) const;

    std::unique_ptr<running> threads_;
};

}  // namespace eddy
