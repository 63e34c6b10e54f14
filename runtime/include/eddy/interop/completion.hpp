// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/outcome.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/oneshot.hpp>

namespace eddy {

namespace detail {

/// The state that all copies of a completion's handler share.
template <class T>
struct completion_handler_state {
    std::atomic<bool> was_called = false;
    typename sync::oneshot<T>::sender sender;

    explicit completion_handler_state(typename sync::oneshot<T>::sender&& end) noexcept : sender(std::move(end)) {}
};

/// What the pointer of a C callback points to: a handler, and whether the block was taken back.
template <class Handler>
struct raw_handler {
    enum class state : std::uint64_t { passed_out = 0x6564'6479'2072'6177, taken_back = 0 };

    Handler handler;
    // After the handler, because allocators overwrite the first bytes of a block that is freed. Atomic, so that the
    // compiler does not leave out the last store before the block is freed.
    std::atomic<state> is = state::passed_out;
};

}  // namespace detail

/// Joins a callback to a future: the callback of another library gets the handler, and a task awaits the future.
///     auto [done, response] = eddy::completion<int>::make();
///     library_start(request, [done](int status) { done(status); });
///     int status = co_await eddy::try_(std::move(response));
/// For a C library, whose callback gets a `void*`, pass `done.into_raw()`, and call handler::from_raw() in the
/// callback.
///
/// The output of the future is result<T>, or T itself if T is a std::expected with std::error_code.
/// Thread safety: the two ends may be used on two threads at the same time.
template <class T = void>
class completion {
public:
    /// The classes of the two ends.
    class handler;
    class future;
    struct ends;

    /// Creates the two ends.
    /// Cost: one allocation and one block of the frame pool.
    [[nodiscard]] static ends make() { return ends(); }

private:
    using channel = sync::oneshot<T>;
    using shared = detail::completion_handler_state<T>;
};

/// The callback. The first call passes the value to the future and wakes its task; later calls do nothing. If the last
/// copy is destroyed without a call, the output of the future is std::errc::operation_canceled.
/// Thread safety: any thread. Copies may be called at the same time; one of them wins.
template <class T>
class completion<T>::handler {
public:
    /// A copy refers to the same future, for libraries that store callbacks in a std::function.
    handler(const handler&) = default;
    handler& operator=(const handler&) = default;
    handler(handler&&) noexcept = default;
    handler& operator=(handler&&) noexcept = default;
    ~handler() = default;

    /// Completes the future with a T that is constructed from `value` (nothing for void). Returns whether the future
    /// takes the value: false if the future is gone, if this is not the first call, or if this handler was moved from.
    /// Errors: what the constructor of T throws. The future can then not be completed any more.
    /// Cost: no system call, unless the woken task's thread sleeps.
    template <class... A>
        requires(std::is_void_v<T> ? sizeof...(A) == 0 : std::constructible_from<detail::stored_t<T>, A...>)
    bool operator()(A&&... value) const {
        // relaxed: the exchange decides only which call sends. The channel publishes the value.
        if (!shared_ || shared_->was_called.exchange(true, std::memory_order_relaxed)) return false;
        return shared_->sender.send(detail::stored_t<T>(std::forward<A>(value)...)).has_value();
    }

    /// Returns whether the value is no longer needed: the future is gone or has a value. Long work may end early then.
    /// Thread safety: not while another copy is called.
    [[nodiscard]] bool is_cancelled() const noexcept { return !shared_ || shared_->sender.is_closed(); }

    /// Returns the handler as a pointer for a C callback. Pass it to from_raw() exactly once. If it is never passed, it
    /// leaks and the future never ends.
    /// Cost: one allocation.
    [[nodiscard]] void* into_raw() && { return new raw_block{std::move(*this)}; }
    /// Takes back the handler that into_raw() returned. Ends the program with a message if the handler was taken back
    /// before, as when a library calls its callback twice; this is not detected if the memory was reused since.
    [[nodiscard]] static handler from_raw(void* raw,
                                          std::source_location where = std::source_location::current()) noexcept {
        // SAFETY: the caller passes what into_raw() returned, which is a block that is not deleted yet.
        const std::unique_ptr<raw_block> owned(static_cast<raw_block*>(raw));
        // relaxed: the exchange publishes nothing. It is atomic for the reason in raw_handler.
        if (raw == nullptr || owned->is.exchange(raw_block::state::taken_back, std::memory_order_relaxed) !=
                                  raw_block::state::passed_out) [[unlikely]]
            detail::fatal_misuse(
                "completion::handler::from_raw() was called twice with the same pointer, or with a "
                "pointer that into_raw() did not return: a callback that is called more than once "
                "needs a copy of the handler that lives as long as the callback",
                where);
        return std::move(owned->handler);
    }

private:
    friend completion;
    using raw_block = detail::raw_handler<handler>;

    explicit handler(std::shared_ptr<shared> state) noexcept : shared_(std::move(state)) {}

    std::shared_ptr<shared> shared_;
};

/// The future that the handler completes.
/// Errors: std::errc::operation_canceled if the handler was destroyed without a call.
/// Cancel safety: dropping the future does not stop the work of the other library, and loses the value. If the library
/// can stop the work, do so in a destructor beside the await.
template <class T>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] completion<T>::future
    : public future_ops<future> {
public:
    using output_type = std::conditional_t<detail::is_expected<T>, T, result<T>>;
    poll_result<output_type> poll(context& cx) {
        auto answer = receiver_.poll(cx);
        if (!answer.is_ready()) return not_ready;
        if (!answer->has_value())
            return output_type(std::unexpect, std::make_error_code(std::errc::operation_canceled));
        return detail::flatten<output_type>(detail::take_value(*answer));
    }

private:
    friend completion;
    explicit future(typename channel::receiver&& end) noexcept : receiver_(std::move(end)) {}

    typename channel::receiver receiver_;
};

/// Both ends of a new completion. Supports structured bindings.
template <class T>
struct completion<T>::ends {
    /// Creates both ends; see completion::make().
    ends() : ends(channel::channel()) {}

    completion::handler handler;  ///< the callback
    completion::future future;    ///< what the task awaits

private:
    explicit ends(typename channel::ends&& both)
        : handler(std::make_shared<shared>(std::move(both.sender))), future(std::move(both.receiver)) {}
};

}  // namespace eddy
