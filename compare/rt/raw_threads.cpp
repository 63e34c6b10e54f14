// SPDX-License-Identifier: MIT
// Cases in which two threads wake each other.
#include <atomic>
#include <thread>
#include <vector>

#include "measure.hpp"
#include "raw_cases.hpp"
#include "raw_job.hpp"
#include "signal.hpp"

namespace bench::raw {

namespace {

using namespace std::chrono_literals;

/// Jobs for another thread: a list that any thread pushes to. The consuming thread takes the whole list at a time.
class inbox {
public:
    void push(job& added) noexcept {
        // relaxed: `first` is not dereferenced here. The compare-exchange below publishes the link, which only take()
        // follows.
        job* first = first_.load(std::memory_order_relaxed);
        do {
            added.next = first;
            // release: pairs with the acquire in take().
        } while (!first_.compare_exchange_weak(first, &added, std::memory_order_release, std::memory_order_relaxed));
        if (first == nullptr) arrived_.set();
    }

    /// Returns all jobs, oldest first. Blocks until there is a job.
    [[nodiscard]] job* take() noexcept {
        job* newest = nullptr;
        // acquire: pairs with the release in push().
        while ((newest = first_.exchange(nullptr, std::memory_order_acquire)) == nullptr) arrived_.wait();
        job* oldest = nullptr;
        while (newest != nullptr) {
            job* const next = newest->next;
            newest->next = oldest;
            oldest = newest;
            newest = next;
        }
        return oldest;
    }

private:
    std::atomic<job*> first_ = nullptr;
    signal arrived_;
};

/// A counter that jobs of another thread decrement, and a signal that the last job sets.
struct countdown {
    std::atomic<std::uint64_t> left = 0;
    signal over;
};

void count_down(job& self) {
    // SAFETY: send_all() passes its countdown as the context, and waits until the last job has set the signal.
    auto& shared = *static_cast<countdown*>(self.context);
    // acq_rel: release publishes the writes of this job. acquire makes the writes of all jobs visible to the last job,
    // which sets the signal.
    if (shared.left.fetch_sub(1, std::memory_order_acq_rel) == 1) shared.over.set();
    free_job(self);
}

void end_thread(job& self) {
    // SAFETY: spawn_remote() passes its flag as the context, and joins the thread before the flag ends.
    *static_cast<bool*>(self.context) = true;
    free_job(self);
}

void run_jobs_of(inbox& arriving, const bool& ended) {
    while (!ended) {
        for (job* next = arriving.take(); next != nullptr;) {
            job& current = *next;
            next = current.next;
            current.run(current);
        }
    }
}

void send_all(inbox& to, countdown& shared, std::uint64_t tasks) {
    // relaxed: the release in the first push() publishes `left`.
    shared.left.store(tasks, std::memory_order_relaxed);
    for (std::uint64_t i = 0; i < tasks; ++i) to.push(make_job(&count_down, &shared, i));
    shared.over.wait();
}

}  // namespace

void spawn_remote(flavour where) {
    constexpr std::uint64_t tasks = 1'000'000;
    inbox jobs;
    countdown shared;
    bool ended = false;
    std::jthread other([&] { run_jobs_of(jobs, ended); });
    send_all(jobs, shared, tasks / 10);
    const auto start = clock::now();
    send_all(jobs, shared, tasks);
    report("spawn_remote", where, "ns", per_operation(clock::now() - start, tasks));
    jobs.push(make_job(&end_thread, &ended, 0));
}

void wake_external(flavour where) {
    constexpr int times = 2000;
    signal arrived;
    signal taken;
    clock::time_point sent;
    std::jthread other([&] {
        std::this_thread::sleep_for(20ms);
        for (int i = 0; i < times; ++i) {
            std::this_thread::sleep_for(300us);
            sent = clock::now();
            arrived.set();
            taken.wait();
        }
    });
    std::vector<nanoseconds> ages;
    ages.reserve(times);
    for (int i = 0; i < times; ++i) {
        arrived.wait();
        ages.emplace_back(clock::now() - sent);
        taken.set();
    }
    report_percentiles("wake_external", where, std::move(ages));
}

void spawn_blocking(flavour where) {
    constexpr std::uint64_t warm_up = 1000;
    constexpr std::uint64_t times = 20'000;
    signal asked;
    signal answered;
    std::uint64_t value = 0;
    std::jthread other([&] {
        for (std::uint64_t i = 0; i < warm_up + times; ++i) {
            asked.wait();
            ++value;
            answered.set();
        }
    });
    const auto call = [&](std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            value = i;
            asked.set();
            answered.wait();
            check(value == i + 1, "the other thread adds one");
        }
    };
    call(warm_up);
    const auto start = clock::now();
    call(times);
    report("spawn_blocking", where, "us", per_operation(clock::now() - start, times) / 1e3);
}

}  // namespace bench::raw
