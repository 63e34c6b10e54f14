// SPDX-License-Identifier: MIT
#pragma once

// Asio and eddy in one program. This header is for standalone Asio 1.22 or later; define EDDY_BOOST_ASIO before it is
// included (in all files of a program, or in none) for Boost.Asio 1.81 or later.
//
//     Asio's operations in a task           co_await socket.async_read_some(buffer, eddy::use_eddy)
//     an eddy future as an Asio operation   eddy::asio_spawn(handle, future, token)
//     Asio's handlers on eddy's threads     asio::co_spawn(eddy::asio_executor(handle), ...)

#ifdef EDDY_BOOST_ASIO
#define EDDY_ASIO boost::asio             ///< for this file
#define EDDY_ASIO_FLAVOR with_boost_asio  ///< for this file
#if !__has_include(<boost/asio/async_result.hpp>)
#error "eddy/interop/asio.hpp with EDDY_BOOST_ASIO needs Boost.Asio (Debian: libboost-dev)"
#endif
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/error_code.hpp>
#else
/// For this file: the namespace of Asio.
#define EDDY_ASIO asio
/// For this file: the inline namespace of everything that depends on EDDY_ASIO.
#define EDDY_ASIO_FLAVOR with_asio
#if !__has_include(<asio/async_result.hpp>)
#error "eddy/interop/asio.hpp needs Asio (Debian: libasio-dev); for Boost.Asio define EDDY_BOOST_ASIO"
#endif
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/error_code.hpp>
#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/system_executor.hpp>
#endif

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <semaphore>
#include <source_location>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/select.hpp>
#include <eddy/interop/as_awaitable.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>

namespace eddy {

/// The type of use_eddy.
struct use_eddy_t {
    /// For the library.
    explicit constexpr use_eddy_t(int) noexcept {}
};

/// A completion token of Asio: the operation becomes an eddy future.
///     result<std::size_t> n = co_await socket.async_read_some(asio::buffer(data), eddy::use_eddy);
/// The operation starts at the first poll, on the polling thread. The operation's io_context may run on any thread; the
/// task continues on its own executor. If the io_context is stopped, or its run() has returned because it was out of
/// work, the operation waits until restart() and run() are called: keep an asio::make_work_guard(). The output depends
/// on the operation's signature:
///
///     void(error_code)           result<void>
///     void(error_code, T)        result<T>; several values: a std::tuple
///     void(std::exception_ptr)   void, or throws; with values as above
///     void(T)                    T; no value: void
///
/// Errors: any error of the operation, as std::error_code; std::errc::operation_canceled if the operation was dropped
/// without a completion, for example since its io_context was destroyed. If it has no error_code, std::system_error is
/// thrown instead.
/// Cancel safety: same as the operation, which is cancelled with asio::cancellation_type::terminal. A graceful
/// cancellation, for example by time::timeout, waits for the completion without a limit: do not stop the io_context
/// before. The destructor of a started future also waits, for up to 10 s, since the operation may write to a buffer
/// that is destroyed next; after that the process ends with a message. It does not wait if it is called on a thread
/// that runs the io_context: then buffers must outlive the operation.
/// Thread safety: Asio's rules for the I/O object apply. Use a strand if several threads run the io_context.
/// Cost: one allocation in addition to Asio's.
inline constexpr use_eddy_t use_eddy{0};

namespace detail::asio_interop {
inline namespace EDDY_ASIO_FLAVOR {

namespace net = EDDY_ASIO;
#ifdef EDDY_BOOST_ASIO
using error_code = boost::system::error_code;
#else
using error_code = asio::error_code;
#endif

/// Converts to std::error_code. Asio's own category for system errors does not compare equal to std::errc.
inline std::error_code standard_error(const error_code& error) {
#ifdef EDDY_BOOST_ASIO
    return error;
#else
    if (error.category() == asio::system_category()) return {error.value(), std::system_category()};
    return error;
#endif
}

/// How long a destructor waits for the completion of a cancelled operation.
inline constexpr std::chrono::seconds longest_wait{10};

template <class... V>
struct values {
    using type = std::tuple<V...>;
    static type make(V... value) { return type(std::move(value)...); }
};
template <class V>
struct values<V> {
    using type = V;
    static V make(V value) { return value; }
};
template <>
struct values<> {
    using type = void;
};

/// Converts the arguments of a completion handler to the output of a future.
template <class... A>
struct completed {
    using output = typename values<std::decay_t<A>...>::type;
    static output convert(A... value) {
        if constexpr (sizeof...(A) != 0) return values<std::decay_t<A>...>::make(std::move(value)...);
    }
    static output broken() {
        throw std::system_error(std::make_error_code(std::errc::operation_canceled), "an Asio operation was dropped");
    }
};
template <class... A>
struct completed<error_code, A...> {
    using output = result<typename values<std::decay_t<A>...>::type>;
    static output convert(error_code error, A... value) {
        if (error) return std::unexpected(standard_error(error));
        if constexpr (sizeof...(A) == 0) {
            return {};
        } else {
            return values<std::decay_t<A>...>::make(std::move(value)...);
        }
    }
    static output broken() { return std::unexpected(std::make_error_code(std::errc::operation_canceled)); }
};
template <class... A>
struct completed<std::exception_ptr, A...> : completed<A...> {
    static auto convert(std::exception_ptr error, A... value) {
        if (error) std::rethrow_exception(std::move(error));
        return completed<A...>::convert(std::move(value)...);
    }
};

/// The state that a future and the completion handler of its operation share.
struct operation {
    net::cancellation_signal cancel;
    std::atomic<bool> has_ended = false;
    std::binary_semaphore ended{0};  // for the destructor of the future

    void end() noexcept {
        // release: pairs with the acquire in emit_cancel(), which then leaves the ended operation alone.
        has_ended.store(true, std::memory_order_release);
        ended.release();
    }
    void emit_cancel() {
        if (!has_ended.load(std::memory_order_acquire)) cancel.emit(net::cancellation_type::terminal);
    }
};

/// Returns the executor on which an operation runs; std::monostate if its initiation does not tell.
template <class Initiation>
auto get_executor(const Initiation& initiation) {
    if constexpr (requires { initiation.get_executor(); }) {
        return initiation.get_executor();
    } else {
        return std::monostate();
    }
}
template <class Initiation>
using executor_of = std::decay_t<decltype(get_executor(std::declval<const Initiation&>()))>;

/// Returns whether this thread runs the handlers of an executor, as far as the executor tells.
template <class Executor>
bool runs_here(const Executor& executor) {
    if constexpr (requires { executor.running_in_this_thread(); }) {
        return executor.running_in_this_thread();
    } else if constexpr (requires { executor.template target<net::io_context::executor_type>(); }) {
        const auto* const inner = executor.template target<net::io_context::executor_type>();
        return inner != nullptr && inner->running_in_this_thread();
    } else {
        return false;
    }
}

/// The completion handler. Asio moves it, calls it at most once, and destroys it.
template <class... A>
class completion_handler {
    using channel = sync::oneshot<std::tuple<std::decay_t<A>...>>;

public:
    using cancellation_slot_type = net::cancellation_slot;

    completion_handler(std::shared_ptr<operation> started, typename channel::sender&& done)
        : guard_(std::move(started)), done_(std::move(done)) {}

    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
        return guard_.started->cancel.slot();
    }

    void operator()(A... value) {
        const end_guard ended = std::move(guard_);
        static_cast<void>(done_.send(std::tuple<std::decay_t<A>...>(std::move(value)...)));
    }

private:
    /// Marks the operation as ended when the handler was called, or is destroyed.
    struct end_guard {
        explicit end_guard(std::shared_ptr<operation> one) noexcept : started(std::move(one)) {}
        end_guard(end_guard&&) noexcept = default;
        end_guard& operator=(end_guard&&) = delete;
        ~end_guard() {
            if (started) started->end();
        }
        std::shared_ptr<operation> started;
    };

    end_guard guard_;
    typename channel::sender done_;
};

}  // namespace EDDY_ASIO_FLAVOR
}  // namespace detail::asio_interop

inline namespace EDDY_ASIO_FLAVOR {

/// The future of an Asio operation; see use_eddy.
/// Cancel safety: same as the operation; see use_eddy.
template <class Signature, class Initiation, class... Args>
class asio_future;

template <class R, class... A, class Initiation, class... Args>
class [[nodiscard(
    "a future does nothing until it is awaited, spawned or run")]] asio_future<R(A...), Initiation, Args...>
    : public future_ops<asio_future<R(A...), Initiation, Args...>> {
    using completed = detail::asio_interop::completed<std::decay_t<A>...>;
    using channel = sync::oneshot<std::tuple<std::decay_t<A>...>>;

public:
    using output_type = typename completed::output;

    /// Stores the initiation of the operation, and its arguments.
    template <class I, class... B>
    explicit asio_future(std::in_place_t, I&& initiation, B&&... args)
        : initiation_(std::forward<I>(initiation)),
          executor_(detail::asio_interop::get_executor(initiation_)),
          args_(std::in_place, std::forward<B>(args)...) {}
    /// Moves the future, which must not have been polled.
    asio_future(asio_future&&) = default;
    asio_future& operator=(asio_future&&) = delete;
    /// Cancels the operation and waits for its completion; see use_eddy.
    ~asio_future() {
        if (!started_ || started_->has_ended.load(std::memory_order_acquire)) return;
        request_cancel();
        if (detail::asio_interop::runs_here(executor_)) return;
        if (!started_->ended.try_acquire_for(detail::asio_interop::longest_wait)) {
            detail::fatal_misuse(
                "the future of an Asio operation was destroyed, and the cancelled operation has not completed within "
                "10 s: run its io_context until the future is gone");
        }
    }

    poll_result<output_type> poll(context& cx) {
        if (!started_) start(cx);
        auto answer = outcome_->poll(cx);
        if (!answer.is_ready()) return not_ready;
        started_.reset();
        if constexpr (std::is_void_v<output_type>) {
            convert(*answer);
            return poll_result<void>::ready();
        } else {
            return convert(*answer);
        }
    }

    /// Cancels the operation and waits for its completion. Returns ready immediately if the operation was not started.
    poll_result<void> poll_cancel(context& cx) {
        if (started_) {
            if (!std::exchange(is_cancelled_, true)) request_cancel();
            if (!outcome_->poll(cx).is_ready()) return not_ready;
            started_.reset();
        }
        return poll_result<void>::ready();
    }

private:
    template <class Received>
    static output_type convert(Received& received) {
        if (!received.has_value()) return completed::broken();
        return std::apply([](auto&&... value) { return completed::convert(std::move(value)...); },
                          *std::move(received));
    }

    void start(context& cx) {
        if (!args_) detail::throw_has_ended("an Asio operation", cx.where());
        auto ends = channel::channel();
        auto operation = std::make_shared<detail::asio_interop::operation>();
        outcome_.emplace(std::move(ends.receiver));
        started_ = operation;
        auto args = *std::move(args_);
        args_.reset();
        std::apply(
            [&](auto&&... arg) {
                std::move(initiation_)(
                    detail::asio_interop::completion_handler<A...>(std::move(operation), std::move(ends.sender)),
                    std::move(arg)...);
            },
            std::move(args));
    }

    /// Emits the cancellation signal where the operation's own handlers run.
    void request_cancel() {
        if constexpr (std::is_same_v<executor_type, std::monostate>) {
            started_->emit_cancel();
        } else {
            detail::asio_interop::net::post(executor_, [started = started_] { started->emit_cancel(); });
        }
    }

    using executor_type = detail::asio_interop::executor_of<Initiation>;

    Initiation initiation_;
    executor_type executor_;                   // a copy: the I/O object may be gone when the operation is cancelled
    std::optional<std::tuple<Args...>> args_;  // until the first poll
    std::shared_ptr<detail::asio_interop::operation> started_;  // from the first poll to the completion
    std::optional<typename channel::receiver> outcome_;
    bool is_cancelled_ = false;
};

/// An executor of Asio that runs handlers as tasks of an eddy executor, a handle or a core_remote:
///     asio::co_spawn(eddy::asio_executor(runtime.handle()), session(), asio::detached);
/// A handler must not block. An exception that leaves it is an uncaught exception of a task.
/// Lifetime: keeps neither the runtime nor the event loop alive. After their end, handlers are destroyed without a
/// call.
/// Thread safety: any thread.
/// Cost: one spawn for each handler. Construction makes one allocation; copies share it.
template <class E>
class asio_executor {
public:
    /// Makes an Asio executor of an eddy executor.
    explicit asio_executor(const E& executor) : state_(std::make_shared<state>(executor)) {}

    /// Runs `f` as a task.
    template <class F>
    void execute(F&& f) const {
        static_cast<void>(state_->executor.spawn(call(work<std::decay_t<F>>{state_, std::forward<F>(f)})));
    }

    /// Asio's properties: handlers never run inside execute().
    [[nodiscard]] static constexpr auto query(detail::asio_interop::net::execution::blocking_t) noexcept {
        return detail::asio_interop::net::execution::blocking_t(detail::asio_interop::net::execution::blocking.never);
    }
    [[nodiscard]] asio_executor require(detail::asio_interop::net::execution::blocking_t::never_t) const noexcept {
        return *this;
    }
    [[nodiscard]] detail::asio_interop::net::execution_context& query(
        detail::asio_interop::net::execution::context_t) const noexcept {
        return state_->context;
    }

    /// Returns whether both executors are copies of the same object.
    friend bool operator==(const asio_executor& a, const asio_executor& b) noexcept { return a.state_ == b.state_; }
    friend bool operator!=(const asio_executor& a, const asio_executor& b) noexcept { return a.state_ != b.state_; }

private:
    struct context : detail::asio_interop::net::execution_context {
        ~context() {
            shutdown();
            destroy();
        }
    };
    struct state {
        explicit state(const E& one) : executor(one) {}
        E executor;
        asio_executor::context context;
    };

    /// `f` may contain the last copy of the executor. It may also contain memory of the context, which its destructor
    /// frees after that copy is destroyed. The invoker of a strand is such an `f`. So this object keeps the state until
    /// `f` is destroyed.
    template <class F>
    struct work {
        std::shared_ptr<state> kept;  // outlives f
        F f;
    };

    template <class F>
    static task<void> call(work<F> next) {
        std::move(next.f)();
        co_return;
    }

    std::shared_ptr<state> state_;
};

}  // namespace EDDY_ASIO_FLAVOR

namespace detail::asio_interop {
inline namespace EDDY_ASIO_FLAVOR {

/// The state that the task of asio_spawn() shares with the cancellation slot of its handler.
template <class Handler>
struct spawned_work {
    using executor_type = net::associated_executor_t<Handler>;
    using work_type =
        std::decay_t<decltype(net::prefer(std::declval<executor_type>(), net::execution::outstanding_work.tracked))>;

    explicit spawned_work(Handler&& done)
        : handler(std::move(done)),
          work(net::prefer(net::get_associated_executor(handler), net::execution::outstanding_work.tracked)) {}

    Handler handler;
    work_type work;  // keeps the handler's io_context running
};

/// Passes the outcome to the handler, on its executor. If the task is destroyed early, the outcome is an error.
template <class Handler, class T>
class spawned_outcome {
public:
    explicit spawned_outcome(Handler&& handler) : work_(std::make_unique<spawned_work<Handler>>(std::move(handler))) {}
    spawned_outcome(spawned_outcome&&) noexcept = default;
    spawned_outcome& operator=(spawned_outcome&&) = delete;
    ~spawned_outcome() {
        if (work_) fail(std::make_exception_ptr(std::system_error(make_error_code(errc::task_cancelled))));
    }

    void fail(std::exception_ptr error) {
        if constexpr (std::is_void_v<T>) {
            send(std::move(error));
        } else {
            send(std::move(error), T());
        }
    }
    template <class... V>
    void send(std::exception_ptr error, V... value) {
        const auto executor = work_->work;
        net::post(executor,
                  [work = std::move(work_), error = std::move(error), ... value = std::move(value)]() mutable {
                      if (auto slot = net::get_associated_cancellation_slot(work->handler); slot.is_connected())
                          slot.clear();
                      auto handler = std::move(work->handler);
                      work.reset();
                      std::move(handler)(std::move(error), std::move(value)...);
                  });
    }

private:
    std::unique_ptr<spawned_work<Handler>> work_;
};

/// A channel that tells the task of asio_spawn() that it is cancelled. The task also holds the sender, since a handler
/// may have no cancellation slot.
struct cancel_request {
    std::shared_ptr<sync::oneshot<>::sender> sender;
    sync::oneshot<>::receiver receiver;
};

/// Runs `future` for asio_spawn(), until its end or until it is cancelled.
template <class F, class Handler>
task<void> run_for_asio(F future, cancel_request cancel, spawned_outcome<Handler, output_t<F>> outcome) {
    try {
        auto either = select_biased(std::move(future), std::move(cancel.receiver));
        auto first = co_await either;
        if (first.index() != 0) {
            outcome.fail(std::make_exception_ptr(std::system_error(make_error_code(errc::task_cancelled))));
        } else if constexpr (std::is_void_v<output_t<F>>) {
            outcome.send(nullptr);
        } else {
            outcome.send(nullptr, std::get<0>(std::move(first)));
        }
    } catch (...) {
        outcome.fail(std::current_exception());
    }
}

template <class T>
struct spawn_signature {
    using type = void(std::exception_ptr, T);
};
template <>
struct spawn_signature<void> {
    using type = void(std::exception_ptr);
};

/// The initiation of asio_spawn().
struct spawn_initiation {
    template <class Handler, class E, class F>
    void operator()(Handler&& handler, E executor, F future) const {
        using handler_type = std::decay_t<Handler>;
        auto ends = sync::oneshot<>::channel();
        const auto cancel = std::make_shared<sync::oneshot<>::sender>(std::move(ends.sender));
        auto slot = net::get_associated_cancellation_slot(handler);
        spawned_outcome<handler_type, output_t<F>> outcome(std::forward<Handler>(handler));
        if (slot.is_connected()) {
            slot.assign([cancel](net::cancellation_type type) {
                if (type != net::cancellation_type::none && !cancel->is_closed()) static_cast<void>(cancel->send());
            });
        }
        static_cast<void>(executor.spawn(run_for_asio<F, handler_type>(
            std::move(future), cancel_request{cancel, std::move(ends.receiver)}, std::move(outcome))));
    }
};

}  // namespace EDDY_ASIO_FLAVOR
}  // namespace detail::asio_interop

inline namespace EDDY_ASIO_FLAVOR {

/// Runs a future as a task of `executor` (a handle, core_handle or core_remote), as an asynchronous operation of Asio:
///     int answer = co_await eddy::asio_spawn(runtime.handle(), compute(), asio::use_awaitable);
/// The signature is void(std::exception_ptr, T), or void(std::exception_ptr) for a future without output, as for
/// asio::co_spawn. T must be default constructible: it is passed together with an exception. A result<T> is passed as
/// it is.
/// The handler runs on its associated executor, never inside this call.
///
/// Errors: the exception of the future; std::system_error with errc::task_cancelled if it was cancelled or the executor
/// shut down.
/// Cancel safety: emitting the handler's cancellation slot, with any type, cancels the future gracefully.
/// Lifetime: the future is moved in.
template <class E, class F, class Token>
auto asio_spawn(const E& executor, F future, Token&& token) {
    constexpr bool can_spawn = detail::spawns_tasks<E>;
    static_assert(can_spawn, "eddy: asio_spawn takes a handle, core_handle or core_remote, a future, and a token");
    if constexpr (!can_spawn || !detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return detail::asio_interop::net::async_initiate<
            Token, typename detail::asio_interop::spawn_signature<output_t<F>>::type>(
            detail::asio_interop::spawn_initiation(), token, executor, std::move(future));
    }
}

}  // namespace EDDY_ASIO_FLAVOR
}  // namespace eddy

namespace EDDY_ASIO {

/// Connects use_eddy with Asio.
template <class R, class... A>
class async_result<eddy::use_eddy_t, R(A...)> {
public:
    /// Returns the future of the operation.
    template <class Initiation, class... Args>
    static auto initiate(Initiation&& initiation, eddy::use_eddy_t, Args&&... args) {
        return eddy::asio_future<R(A...), std::decay_t<Initiation>, std::decay_t<Args>...>(
            std::in_place, std::forward<Initiation>(initiation), std::forward<Args>(args)...);
    }
};

}  // namespace EDDY_ASIO

#undef EDDY_ASIO
#undef EDDY_ASIO_FLAVOR
