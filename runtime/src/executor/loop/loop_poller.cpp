// SPDX-License-Identifier: MIT
#include "executor/loop/loop_poller.hpp"

namespace eddy::detail {

/// A poller that notes events, calls the hooks, and measures the polls.
class loop_poller::observed {
public:
    using word = local_word;

    explicit observed(loop_poller& polls) noexcept : polls_(polls), view_(polls.owner().view()) {}

    [[nodiscard]] poll_end poll(spawned_task& task) noexcept {
        view_.log.note(trace::event_kind::poll_begin, number_in_log(task));
        const poll_end ended = observer::observed(
            view_.observes.get(), task, view_.durations.get(), [&] { return polls_.poll(task); }, [] { return true; });
        view_.log.note(trace::event_kind::poll_end, number_in_log(task), ended == poll_end::has_ended ? 1 : 0);
        return ended;
    }
    void queue_again(spawned_task& task) noexcept {
        view_.log.note(trace::event_kind::wake, number_in_log(task));
        polls_.queue_again(task);
    }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return loop_poller::destroys_cancelled(); }
    [[nodiscard]] core_shared& owner() noexcept { return polls_.owner(); }

private:
    loop_poller& polls_;
    loop_view& view_;
};

void loop_poller::run_some(std::size_t most, const bool& stop) noexcept {
    loop_tasks& tasks = loop_.tasks();
    spawned_task* next = nullptr;
    tasks.update_observed();
    // A poll that has used up its coop budget was long. Many of them would delay the driver tick.
    const std::uint64_t& forced_yields = loop_.view().counted.forced_yields;
    const auto yields_before = forced_yields;
    const auto goes_on = [&] {
        return most-- > 0 && !stop && forced_yields == yields_before && (next = tasks.queues().pop());
    };
    if (tasks.is_observed()) [[unlikely]] {
        while (goes_on()) run_observed(*next);
    } else {
        while (goes_on()) run_task(*this, *next);
    }
}

void loop_poller::run_queued() noexcept {
    loop_tasks& tasks = loop_.tasks();
    task_queue& queue = tasks.queues().run();
    tasks.update_observed();
    while (spawned_task* const child = tasks.queues().children().pop()) queue.push(*child);
    const spawned_task* const last = queue.back();
    for (bool more = last != nullptr; more;) {
        spawned_task& task = *queue.pop();
        more = &task != last;
        tasks.is_observed() ? run_observed(task) : run_task(*this, task);
    }
}

[[gnu::noinline]] void loop_poller::run_observed(spawned_task& task) noexcept {
    observed with(*this);
    run_task(with, task);
}

}  // namespace eddy::detail
