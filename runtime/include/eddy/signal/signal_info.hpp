// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/result.hpp>
#include <eddy/signal/kind.hpp>
#include <eddy/signal/signal_stream.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::sys {
struct received_signal;
}

namespace eddy::signal {

/// A signal, and what the system says about it: siginfo_t of sigaction(2).
/// Thread safety: a plain value.
struct signal_info {
    kind of;       ///< the signal
    int code = 0;  ///< why it was sent: SI_USER for kill(2), SI_QUEUE for sigqueue(3); see sigaction(2)
    /// The process that has sent it, or, with SIGCHLD, the child that it is about. nullopt: the kernel has sent it.
    std::optional<std::int32_t> pid;
    /// The real user of that process. With SI_QUEUE and other codes than SI_USER and SI_TKILL, the sender chooses both
    /// numbers: they prove nothing.
    std::optional<std::uint32_t> uid;
    /// The number that came with it, from sigqueue(3), timer_create(2) or mq_notify(3): sival_int.
    std::optional<int> value;
    /// The same, as sival_ptr. It means something only if this process has sent it.
    void* pointer = nullptr;
    /// How many signals the queue of the stream had no room for since the previous item.
    std::uint64_t lost = 0;

    /// Constructs a signal that nothing is known about.
    explicit signal_info(kind which) noexcept : of(which) {}
};

/// A stream of the signals of one kind that this process receives, starting with the call of info_stream(). Unlike the
/// items of a signal_stream, its items are not merged, and have the sender and its value.
///
/// - Real-time signals (SIGRTMIN to SIGRTMAX): the system queues them, and each is an item. sigqueue(3) fails with
///   EAGAIN if the queue of the system is full (RLIMIT_SIGPENDING).
/// - Other signals: the system keeps one of those that are pending, with the information of the first.
/// - Each stream has a queue of signals that the handler has received and the task has not: 2,048 on Linux, elsewhere
///   at least 512. A signal that finds it full is lost for this stream; signal_info::lost of the next item counts it.
/// - The order is the order in which the handler is called. The system gives each signal to any thread that does not
///   block it, also to a worker, so signals of one sender may change places. If the order matters, let one thread
///   receive them: block them with pthread_sigmask(3) before the runtime starts its threads, and unblock them in the
///   main thread.
///
/// The stream ends only when the event loop in which it was made ends.
/// Thread safety: one task at a time, on any thread.
class [[nodiscard]] EDDY_API signal_info_stream : public stream_ops<signal_info_stream> {
public:
    using item_type = signal_info;

    static constexpr const char* wakes_one_task = "a signal_info_stream";

    signal_info_stream(signal_info_stream&&) noexcept = default;
    signal_info_stream& operator=(signal_info_stream&&) noexcept = default;
    ~signal_info_stream() { detail::check_not_awaited(this, "a signal_info_stream"); }

    /// For readers of the program's memory.
    static constexpr auto wait_shape() {
        return inspect::wait_shape<>{.kind = inspect::wait::other, .name = "a signal"};
    }

    /// Same as next(), by the name that the receivers of channels use.
    [[nodiscard]] next_future<signal_info_stream> recv() noexcept;

    /// Polls for the next signal; nullopt when the event loop has ended.
    poll_result<std::optional<signal_info>> poll_next(context& cx);

private:
    friend result<signal_info_stream> info_stream(kind, std::source_location);
    signal_info_stream(kind of, io::poll_evented<detail::signal_source>&& source) noexcept
        : source_(std::move(source)), kind_(of) {}

    [[nodiscard]] signal_info described(const sys::received_signal& received) noexcept;

    io::poll_evented<detail::signal_source> source_;
    std::uint64_t lost_ = 0;  // what the items have told
    kind kind_;
};

/// Starts to listen for signals of a kind, with what the system says about each, in the event loop on this thread:
///     auto orders = co_await try_(signal::info_stream(signal::kind::real_time(0)));
///     while (auto order = co_await orders.next()) obey(order->pid, order->value);
/// The signal loses its default action, as with stream(). Each stream of the same kind receives each signal.
/// Errors: same as stream(), and on Windows not_supported. Throws misuse without an event loop.
/// Thread safety: any thread.
/// Cost: two descriptors per stream. A signal costs a write(2) in the handler and a read(2) in the task.
[[nodiscard]] EDDY_API result<signal_info_stream> info_stream(
    kind of, std::source_location where = std::source_location::current());

}  // namespace eddy::signal
