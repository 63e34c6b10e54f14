// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/future.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/core.hpp>
#ifndef EDDY_NO_THREADS
#include <eddy/runtime/runtime.hpp>
#endif

// Helpers of tests that run on an event loop and on runtimes.

namespace support {

/// An uncaught exception of a task.
struct report {
    std::string text;
    unsigned line = 0;
};

/// Runs the tasks of a test: on an event loop if `workers` is 0, otherwise on a runtime. In a build without threads,
/// `workers` must be 0.
class executor {
public:
    explicit executor(unsigned workers) {
        const auto keep = [this](std::exception_ptr thrown, const std::source_location& where) {
            this->keep(thrown, where.line());
        };
        if (workers == 0) {
            loop_.emplace(eddy::core::builder().on_uncaught(keep).build().value());
        } else {
#ifdef EDDY_NO_THREADS
            throw std::logic_error("executor: there are no runtimes without threads");
#else
            pool_.emplace(eddy::runtime::builder().worker_threads(workers).on_uncaught(keep).build().value());
#endif
        }
    }
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;

    [[nodiscard]] bool is_core() const noexcept { return loop_.has_value(); }
    [[nodiscard]] eddy::core& loop() noexcept { return *loop_; }
#ifdef EDDY_NO_THREADS
    template <class F>
    auto run(F&& main) {
        return loop_->run(std::forward<F>(main));
    }
    void run_until_idle() { loop_->run_until_idle(); }
    void end() { loop_.reset(); }
#else
    [[nodiscard]] eddy::runtime& pool() noexcept { return *pool_; }

    template <class F>
    auto run(F&& main) {
        if (loop_) return loop_->run(std::forward<F>(main));
        return pool_->block_on(std::forward<F>(main));
    }

    void run_until_idle() {
        if (loop_) return loop_->run_until_idle();
        pool_->wait_until_idle();
    }

    /// Destroys the event loop or the runtime, and with it all tasks.
    void end() {
        loop_.reset();
        pool_.reset();
    }
#endif

    [[nodiscard]] std::vector<report> reports() const {
        const std::lock_guard guard(lock_);
        return reports_;
    }

private:
    void keep(const std::exception_ptr& thrown, unsigned line) {
        std::string text = "not a std::exception";
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& e) {
            text = e.what();
        } catch (...) {  // NOLINT(bugprone-empty-catch): `text` has its value
        }
        const std::lock_guard guard(lock_);
        reports_.push_back({std::move(text), line});
    }

    mutable std::mutex lock_;
    std::vector<report> reports_;
    std::optional<eddy::core> loop_;
#ifndef EDDY_NO_THREADS
    std::optional<eddy::runtime> pool_;
#endif
};

/// Returns the name of a test's parameter, which is the number of workers. 0 means an event loop.
inline std::string name_of_executor(const ::testing::TestParamInfo<unsigned>& info) {
    return info.param == 0 ? "Core" : "Workers" + std::to_string(info.param);
}

/// A gate that tasks can wait for. open() wakes all waiting tasks; any thread may call it.
class async_gate {
public:
    void open() {
        std::vector<eddy::waker> waiting;
        {
            const std::lock_guard guard(lock_);
            is_open_ = true;
            waiting.swap(waiting_);
        }
        for (auto& each : waiting) std::move(each).wake();
    }
    [[nodiscard]] bool is_open() const {
        const std::lock_guard guard(lock_);
        return is_open_;
    }
    /// Returns how many polls of wait() were pending. Returns 0 after open().
    [[nodiscard]] std::size_t waiting() const {
        const std::lock_guard guard(lock_);
        return waiting_.size();
    }
    [[nodiscard]] auto wait() {
        return eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<void> {
            const std::lock_guard guard(lock_);
            if (is_open_) return eddy::poll_result<void>::ready();
            waiting_.push_back(cx.waker());
            return eddy::not_ready;
        });
    }

private:
    mutable std::mutex lock_;
    bool is_open_ = false;
    std::vector<eddy::waker> waiting_;
};

/// Counts objects that have a `life` as a member: the objects that exist now, and all objects ever created.
class census {
public:
    class life {
    public:
        explicit life(census& counted) noexcept : counted_(&counted) { counted_->begin(); }
        life(const life& other) noexcept : life(*other.counted_) {}
        life(life&& other) noexcept : counted_(std::exchange(other.counted_, nullptr)) {}
        life& operator=(life other) noexcept {
            std::swap(counted_, other.counted_);
            return *this;
        }
        ~life() {
            if (counted_ != nullptr) --counted_->alive_;
        }

    private:
        census* counted_;
    };

    [[nodiscard]] life begin_life() noexcept { return life(*this); }
    [[nodiscard]] int alive() const noexcept { return alive_; }
    [[nodiscard]] int total() const noexcept { return total_; }

private:
    void begin() noexcept {
        ++alive_;
        ++total_;
    }

    std::atomic<int> alive_ = 0;
    std::atomic<int> total_ = 0;
};

/// A future that is never ready. Its cancellation waits for `may_end`.
class ends_slowly {
public:
    using output_type = void;

    explicit ends_slowly(async_gate& may_end, std::atomic<int>* cancels = nullptr) noexcept
        : may_end_(&may_end), cancels_(cancels) {}

    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        if (cancels_ != nullptr) ++*cancels_;
        return may_end_->wait().poll(cx);
    }

private:
    async_gate* may_end_;
    std::atomic<int>* cancels_;
};

}  // namespace support
