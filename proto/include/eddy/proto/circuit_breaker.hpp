// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::proto {

/// The options of circuit_breaker(): `circuit_options().failures(5).open_for(1s)`.
class circuit_options {
public:
    /// The default options.
    circuit_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Sets how many calls must fail in a row to open the circuit. 5 by default. 0 is treated as 1.
    circuit_options& failures(std::size_t count) noexcept {
        failures_ = count == 0 ? 1 : count;
        return *this;
    }
    /// Sets how long the circuit stays open before one call may probe the service. 1 second by default.
    template <class Rep, class Period>
    circuit_options& open_for(std::chrono::duration<Rep, Period> pause) noexcept {
        open_for_ = time::round_up(pause);
        return *this;
    }
    /// Sets which errors are failures of the service. All by default. A call with another error is neither a success
    /// nor a failure. An exception is a failure.
    circuit_options& when(std::function<bool(const std::error_code&)> is_failure) {
        is_failure_ = std::move(is_failure);
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t failures() const noexcept { return failures_; }
    [[nodiscard]] time::duration open_for() const noexcept { return open_for_; }
    [[nodiscard]] const std::function<bool(const std::error_code&)>& when() const noexcept { return is_failure_; }

private:
    std::size_t failures_ = 5;
    time::duration open_for_ = std::chrono::seconds(1);
    std::function<bool(const std::error_code&)> is_failure_;
};

}  // namespace eddy::proto

namespace eddy::detail {

/// The verdict of a call about the service.
enum class call_verdict : unsigned char { none, success, failure };

/// The state of a circuit breaker.
///
///              `failures` calls in a row have failed                after open_for: one call is the probe
///     closed ────────────────────────────────────────> open ────────────────────────────────────────────> probing
///       ^                                                ^   the probe fails; or has no verdict (dropped),   |  |
///       |                                                +── and then the next call is the probe ────────────+  |
///       +──────────────────────────────────────── the probe succeeds ──────────────────────────────────────────+
///
/// Each transition increments `epoch_`. A call that began before a transition does not change the state.
/// Thread safety: any thread.
class circuit {
public:
    explicit circuit(proto::circuit_options options) : options_(std::move(options)) {}

    /// A call that was admitted. Its destructor reports the verdict.
    class admitted_call {
    public:
        admitted_call(circuit& of, std::uint64_t epoch) noexcept : of_(&of), epoch_(epoch) {}
        admitted_call(admitted_call&& other) noexcept : of_(std::exchange(other.of_, nullptr)), epoch_(other.epoch_) {}
        admitted_call& operator=(admitted_call&&) = delete;
        ~admitted_call() {
            if (of_ != nullptr) of_->report(epoch_, verdict);
        }

        call_verdict verdict = call_verdict::none;

    private:
        circuit* of_;
        std::uint64_t epoch_;
    };

    /// Admits a call.
    /// Errors: errc::circuit_open.
    std::expected<admitted_call, errc> admit() {
        const auto now = time::clock::now();
        const std::lock_guard guard(lock_);
        if (state_ == state::closed) return admitted_call(*this, epoch_);
        if (state_ == state::probing || now < open_until_) return std::unexpected(errc::circuit_open);
        enter(state::probing);
        return admitted_call(*this, epoch_);
    }

    [[nodiscard]] call_verdict verdict_of(const std::error_code& error) const {
        return !options_.when() || options_.when()(error) ? call_verdict::failure : call_verdict::none;
    }

private:
    enum class state : unsigned char { closed, open, probing };

    void report(std::uint64_t epoch, call_verdict verdict) {
        const auto now = time::clock::now();
        const std::lock_guard guard(lock_);
        if (epoch != epoch_) return;
        if (verdict == call_verdict::success) {
            failed_ = 0;
            if (state_ == state::probing) enter(state::closed);
        } else if (verdict == call_verdict::none) {
            if (state_ == state::probing) enter(state::open);  // open_until_ has passed
        } else if (state_ == state::probing || ++failed_ == options_.failures()) {
            open_until_ = time::saturating_add(now, options_.open_for());
            failed_ = 0;
            enter(state::open);
        }
    }
    void enter(state next) noexcept {
        state_ = next;
        ++epoch_;
    }

    const proto::circuit_options options_;
    mutex lock_;
    // Guarded by lock_:
    state state_ = state::closed;
    std::uint64_t epoch_ = 0;
    std::size_t failed_ = 0;  // calls in a row, while closed
    time::time_point open_until_;
};

template <class S>
class circuit_service : public layered<circuit_service<S>, S> {
public:
    circuit_service(S&& inner, std::shared_ptr<circuit> state)
        : layered<circuit_service<S>, S>(std::move(inner)), state_(std::move(state)) {}

    template <class Given>
    task<call_output_t<S>> call(Given request, proto::when_full mode) const {
        auto admitted = state_->admit();
        if (!admitted) co_return layer_error<S>(make_error_code(admitted.error()));
        try {
            auto answer = co_await this->next(std::move(request), mode);
            admitted->verdict =
                answer ? call_verdict::success : state_->verdict_of(convert_error<std::error_code>(answer.error()));
            co_return answer;
        } catch (...) {
            admitted->verdict = call_verdict::failure;
            throw;
        }
    }

private:
    std::shared_ptr<circuit> state_;
};

}  // namespace eddy::detail

namespace eddy::proto {

/// Returns a layer that stops calling a service that fails. After a number of failures in a row, the circuit is open:
/// calls fail with errc::circuit_open, without reaching the service. After a pause, one call is a probe of the service.
/// If it succeeds, the circuit is closed; if it fails, the circuit is open for another pause. If the probe is dropped,
/// the next call is the probe. All services that are made with this layer, and their copies, share the circuit.
///
/// Put retry() outside of this layer. Put timeout() inside of this layer, so that slow calls count as failures.
/// Errors: errc::circuit_open; the errors of the service.
/// Cost: two locks for each call.
[[nodiscard]] inline auto circuit_breaker(circuit_options options = circuit_options()) {
    return layer([state = std::make_shared<detail::circuit>(std::move(options))]<class S>(S inner) {
        return detail::circuit_service<S>(std::move(inner), state);
    });
}

}  // namespace eddy::proto
