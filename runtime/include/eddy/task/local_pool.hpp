// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_NO_THREADS
#error "this eddy was built without threads (EDDY_NO_THREADS): use eddy::core or eddy::run instead of eddy::local_pool"
#endif

#include <cstddef>
#include <memory>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>
#include <eddy/task/detail/local_share.hpp>
#include <eddy/task/detail/stored_work.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy {

/// A pool of threads, each with an event loop and a local set. A task stays on the thread where it began, so it may
/// hold objects that belong to one thread or must not cross threads.
///     eddy::local_pool pool(4);
///     auto answer = pool.spawn_pinned([] { return work(); });      // a coroutine, made and run on one of the threads
///     co_await answer;
/// eddy::spawn_local and eddy::spawn in such a task use the same thread.
///
/// The destructor destroys the tasks, each on its thread, and joins the threads. A moved-from pool has no threads:
/// spawning on it throws `misuse`.
/// Thread safety: any thread. A task of the pool must not destroy the pool.
class EDDY_API local_pool {
public:
    /// Starts the threads.
    /// Errors: throws std::system_error, for example if there are too many descriptors or threads; `misuse` if
    /// `threads` is 0.
    explicit local_pool(std::size_t threads, std::source_location where = std::source_location::current());
    /// Same as the constructor, but returns the error; std::errc::invalid_argument if `threads` is 0.
    [[nodiscard]] static result<local_pool> make(std::size_t threads) noexcept;

    /// A moved-from pool is empty. The assignment shuts down the pool that this object had before.
    local_pool(local_pool&&) noexcept;
    local_pool& operator=(local_pool&&) noexcept;
    /// Destroys the tasks and joins the threads; see the class comment.
    ~local_pool();

    /// Runs `work` on the thread that has the fewest tasks, and returns a join_handle. `work` is a callable without
    /// parameters that returns a future or a value; it is called on that thread. The callable crosses the thread
    /// boundary, and so does a future that is passed instead.
    /// Errors: throws `misuse` if the pool is empty.
    /// Cost: one block from the frame pool, and a system call if the thread sleeps.
    template <class W>
    auto spawn_pinned(W&& work, std::source_location where = std::source_location::current()) const {
        return detail::spawn_on(least_loaded(where), std::forward<W>(work), where);
    }

    /// Same as spawn_pinned(), on the thread with number `index`.
    /// Errors: throws `misuse` if `index` is not less than size().
    template <class W>
    auto spawn_pinned_by_idx(W&& work, std::size_t index,
                             std::source_location where = std::source_location::current()) const {
        return detail::spawn_on(at(index, "local_pool::spawn_pinned_by_idx()", where), std::forward<W>(work), where);
    }

    /// Returns the number of threads.
    [[nodiscard]] std::size_t size() const noexcept;
    /// Returns the approximate number of tasks on the thread with number `index`.
    /// Errors: throws `misuse` if `index` is not less than size().
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
