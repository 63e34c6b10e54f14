// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <expected>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/sync/oneshot.hpp>

namespace eddy {

namespace detail {

/// Throws if this thread must not wait for an answer of the event loop: `nested_runtime` if it runs tasks, and `misuse`
/// if it is the thread of that loop, unless the answer has arrived.
EDDY_API void check_may_await_answer(const core_shared& loop, bool has_arrived, std::source_location where);

/// The channel of an answer. If the event loop has closed before the work has ended, the sender is destroyed.
template <class T>
using answer_channel = sync::oneshot<std::expected<T, std::exception_ptr>>;

}  // namespace detail

/// The answer of an event loop to core_remote::call(). It may be destroyed without get(); the work runs nevertheless.
template <class T>
class core_answer {
public:
    core_answer(typename detail::answer_channel<T>::receiver answer, const core_remote& from) noexcept
        : answer_(std::move(answer)), from_(from) {}

    /// Blocks this thread until the work has ended, and returns its output. Call it once.
    /// Errors: throws the exception of the work, or std::system_error with errc::runtime_shutdown if the event loop has
    /// ended before the work. As wait(), throws `nested_runtime` on a thread that runs tasks of an event loop or a
    /// runtime, because those could not run meanwhile. Throws `misuse` on the thread of the event loop, if the work has
    /// not ended, because the loop could not run meanwhile; and if get() was called before.
    T get(std::source_location where = std::source_location::current()) {
        if (answer_.is_terminated()) {
            throw misuse("get() of core_remote::call() was called twice, or on an answer that was moved from", where);
        }
        detail::check_may_await_answer(*from_.loop_, true, where);
        auto arrived = answer_.try_recv();
        if (arrived || arrived.error() == sync::try_recv_error::closed) return output_of(std::move(arrived));
        detail::check_may_await_answer(*from_.loop_, false, where);
        return output_of(answer_.blocking_recv(where));
    }

private:
    template <class Received>
    static T output_of(Received received) {
        if (!received) throw std::system_error(make_error_code(errc::runtime_shutdown));
        if (!received->has_value()) std::rethrow_exception(received->error());
        if constexpr (!std::is_void_v<T>) return **std::move(received);
    }

    typename detail::answer_channel<T>::receiver answer_;
    core_remote from_;
};

}  // namespace eddy
