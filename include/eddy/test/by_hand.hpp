// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/virtual_stack.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/test/assert.hpp>  // IWYU pragma: export

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::test {

/// A waker's other end: counts how often it is woken, and how many wakers there are.
class wake_counter {
public:
    wake_counter() : counts_(new counts) {}
    wake_counter(const wake_counter&) = delete;
    wake_counter& operator=(const wake_counter&) = delete;
    ~wake_counter() { counts_->drop(); }

    [[nodiscard]] eddy::waker waker() const noexcept {
        counts_->add();
        return {&vtable, counts_};
    }

    [[nodiscard]] std::uint64_t wakes() const noexcept {
        // acquire: pairs with the release in the vtable's wake, as in an executor: what was written before waking is
        // seen by whoever polls because of it.
        return counts_->wakes.load(std::memory_order_acquire);
    }

    /// How many copies of the waker there are.
    [[nodiscard]] std::uint64_t wakers() const noexcept {
        // acquire: pairs with the release in drop(): who sees none may rely on their being gone.
        return counts_->references.load(std::memory_order_acquire) - 1;
    }

private:
    struct counts {
        detail::atomic<std::uint64_t> wakes{0};
        detail::atomic<std::uint64_t> references{1};  // the counter's own, and one for each waker

        // relaxed: whoever adds a reference holds one.
        void add() noexcept { references.fetch_add(1, std::memory_order_relaxed); }
        void drop() noexcept {
            // release, acquire: each use comes before the deletion by the last.
            if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
        }
    };

    // SAFETY: `data` is a `counts`, of which the waker holds a reference.
    static counts& of(void* data) noexcept { return *static_cast<counts*>(data); }
    static void* clone(void* data) noexcept {
        of(data).add();
        return data;
    }
    static void wake(void* data) noexcept {
        wake_by_ref(data);
        drop(data);
    }
    static void wake_by_ref(void* data) noexcept {
        // release: pairs with wakes().
        of(data).wakes.fetch_add(1, std::memory_order_release);
    }
    static void drop(void* data) noexcept { of(data).drop(); }

    static constexpr waker_vtable vtable{clone, wake, wake_by_ref, drop};

    counts* counts_;
};

/// Owns a future and polls it when the test says so, without an executor; counts how often it is woken.
/// Thread safety: `wakes`, `is_woken` and the wakers may be used on any thread; the rest as the future allows.
template <class F>
class by_hand {
public:
    using output_type = output_t<F>;

    explicit by_hand(F future) : future_(std::move(future)), waker_(counter_.waker()) {}
    by_hand(const by_hand&) = delete;
    by_hand& operator=(const by_hand&) = delete;

    /// Polls once, with `budget` for the leaves to use up. Misuse that the poll finds names the place of this call.
    // Not inlined: GCC 12 would warn tests of what a future on their stack has not yet got.
    [[gnu::noinline]] poll_result<output_type> poll(std::uint32_t budget = context::default_budget,
                                                    std::source_location where = std::source_location::current()) {
        seen_ = wakes();
        context cx(waker_, budget);
        detail::await_place::set(cx, detail::place_of(where));
        return future_->poll(cx);
    }

    poll_result<void> poll_cancel()
        requires cancellable_future<F>
    {
        seen_ = wakes();
        context cx(waker_);
        return future_->poll_cancel(cx);
    }

    /// How often the future was woken, in all.
    [[nodiscard]] std::uint64_t wakes() const noexcept { return counter_.wakes(); }

    /// Whether it was woken since it was last polled, so that an executor would poll it.
    [[nodiscard]] bool is_woken() const noexcept { return wakes() != seen_; }

    /// How many copies of the waker the future, and those who are to wake it, hold.
    [[nodiscard]] std::uint64_t wakers() const noexcept { return counter_.wakers() - 1; }

    [[nodiscard]] const eddy::waker& waker() const noexcept { return waker_; }
    [[nodiscard]] F& future() noexcept { return *future_; }

    /// Destroys the future, as whoever cancels it would.
    void drop() noexcept { future_.reset(); }

private:
    wake_counter counter_;
    std::optional<F> future_;
    eddy::waker waker_;
    std::uint64_t seen_ = 0;
};

}  // namespace eddy::test
EDDY_END_FALSE_UNINITIALIZED
