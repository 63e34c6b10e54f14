// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/test/assert.hpp>  // IWYU pragma: export

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::test {

/// Makes wakers and counts how often they are woken, and how many of them exist.
/// Thread safety: any thread.
class wake_counter {
public:
    /// Constructs a counter without wakers.
    wake_counter() : counts_(new counts) {}
    wake_counter(const wake_counter&) = delete;
    wake_counter& operator=(const wake_counter&) = delete;
    ~wake_counter() { counts_->drop(); }

    /// Makes a waker that is counted.
    [[nodiscard]] eddy::waker waker() const noexcept {
        counts_->references.add();
        return {&vtable, counts_};
    }

    /// Returns how often the wakers were woken.
    [[nodiscard]] std::uint64_t wakes() const noexcept {
        // acquire: pairs with the release in wake_by_ref(), as in an executor. The caller sees what was written before
        // the wake-up.
        return counts_->wakes.load(std::memory_order_acquire);
    }

    /// Returns the number of wakers that exist.
    [[nodiscard]] std::uint64_t wakers() const noexcept { return counts_->references.count() - 1; }

private:
    struct counts {
        detail::atomic<std::uint64_t> wakes{0};
        detail::ref_count<std::uint64_t> references;  // one of this counter, and one of each waker

        void drop() noexcept {
            if (references.drop()) delete this;
        }
    };

    // SAFETY: `data` is a `counts`, to which the waker has a reference.
    static counts& of(void* data) noexcept { return *static_cast<counts*>(data); }
    static void* clone(void* data) noexcept {
        of(data).references.add();
        return data;
    }
    static void wake(void* data) noexcept {
        wake_by_ref(data);
        drop(data);
    }
    static void wake_by_ref(void* data) noexcept {
        // release: pairs with the acquire in wakes().
        of(data).wakes.fetch_add(1, std::memory_order_release);
    }
    static void drop(void* data) noexcept { of(data).drop(); }

    static constexpr waker_vtable vtable{clone, wake, wake_by_ref, drop};

    counts* counts_;
};

/// Owns a future and polls it on request, without an executor. Counts its wake-ups.
/// Cancel safety: same as the future. drop() and the destructor destroy it.
/// Thread safety: wakes(), is_woken() and the wakers may be used on any thread; the other members as the future allows.
template <class F>
class by_hand {
public:
    using output_type = output_t<F>;

    /// Takes ownership of `future`.
    explicit by_hand(F future) : future_(std::move(future)), waker_(counter_.waker()) {}
    by_hand(const by_hand&) = delete;
    by_hand& operator=(const by_hand&) = delete;

    /// Polls once, with `budget` as the coop budget. Errors of misuse that the poll reports contain this call site.
    // Not inlined: GCC 12 would emit false "may be used uninitialized" warnings for futures on a test's stack.
    [[gnu::noinline]] poll_result<output_type> poll(std::uint32_t budget = context::default_budget,
                                                    std::source_location where = std::source_location::current()) {
        seen_ = wakes();
        context cx(waker_, budget);
        detail::context_access::set_call_site(cx, detail::call_site_of(where));
        return future_->poll(cx);
    }

    /// Polls the cancellation of the future once.
    poll_result<void> poll_cancel()
        requires cancellable_future<F>
    {
        seen_ = wakes();
        context cx(waker_);
        return future_->poll_cancel(cx);
    }

    /// Returns how often the future was woken.
    [[nodiscard]] std::uint64_t wakes() const noexcept { return counter_.wakes(); }

    /// Returns whether the future was woken after the last poll began. Then an executor would poll it again.
    [[nodiscard]] bool is_woken() const noexcept { return wakes() != seen_; }

    /// Returns how many clones of the waker exist, in the future and in the objects that are to wake it.
    [[nodiscard]] std::uint64_t wakers() const noexcept { return counter_.wakers() - 1; }

    /// Returns the waker that polls use.
    [[nodiscard]] const eddy::waker& waker() const noexcept { return waker_; }
    /// Returns the future.
    /// Preconditions: drop() was not called.
    [[nodiscard]] F& future() noexcept { return *future_; }

    /// Destroys the future, which cancels it.
    void drop() noexcept { future_.reset(); }

private:
    wake_counter counter_;
    std::optional<F> future_;
    eddy::waker waker_;
    std::uint64_t seen_ = 0;
};

}  // namespace eddy::test
EDDY_END_FALSE_UNINITIALIZED
