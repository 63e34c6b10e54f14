// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "measure.hpp"

namespace bench::raw {

inline constexpr std::size_t block_size = 64;

/// A task without a runtime: a heap block with a function, linked into a queue.
struct job {
    using function = void (*)(job&);

    job* next = nullptr;
    function run;
    void* context = nullptr;  // an argument of `run`
    std::uint64_t value = 0;
};
static_assert(sizeof(job) <= block_size);

/// Makes a job. The function is opaque to the compiler, so that it is called through its pointer, as in a runtime.
[[nodiscard]] inline job& make_job(job::function run, void* context, std::uint64_t value) {
    void* const block = std::malloc(block_size);
    if (block == nullptr) throw std::bad_alloc();
    return *::new (block) job{nullptr, opaque(run), context, value};
}

inline void free_job(job& done) noexcept { std::free(&done); }

/// A first-in-first-out queue.
/// Thread safety: not thread-safe.
class job_queue {
public:
    job_queue() = default;
    job_queue(const job_queue&) = delete;  // last_ may point to first_
    job_queue& operator=(const job_queue&) = delete;
    ~job_queue() = default;

    void push(job& added) noexcept {
        added.next = nullptr;
        *last_ = &added;
        last_ = &added.next;
    }

    /// Returns null if the queue is empty.
    [[nodiscard]] job* pop() noexcept {
        job* const first = first_;
        if (first == nullptr) return nullptr;
        first_ = first->next;
        if (first_ == nullptr) last_ = &first_;
        return first;
    }

    /// Runs jobs until the queue is empty, including jobs that other jobs push.
    void run_all() {
        while (job* const next = pop()) next->run(*next);
    }

private:
    job* first_ = nullptr;
    job** last_ = &first_;
};

}  // namespace bench::raw
