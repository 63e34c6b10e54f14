// SPDX-License-Identifier: MIT
// A task of an event loop, with its two words, and its join handle on another thread. The loop completes the task and
// shuts down while the handle is polled, dropped, aborted and turned into abort handles. The outcome is received or
// destroyed once, the memory is freed once and not accessed afterwards, and a waiting joiner is woken. The event loop
// is the library's, without timers and I/O.
#include "executor/task/task_state.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/runtime/detail/core_loop.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/task/run_task.hpp"
#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"
#include "explore/task_output.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::context;
using eddy::join_handle;
using eddy::detail::core_shared;
using eddy::detail::poll_end;
using eddy::detail::shared_word;
using eddy::detail::spawned_task;
using eddy::detail::task_flags;
using eddy::detail::task_state;
using eddy::detail::unshared_word;
using explore::check;
using explore::fails;
using explore::holds;
using explore::output;
using explore::sleeping_task;

// ---- The event loop of a model, and its tasks ----

/// An event loop that any thread of the model may run, one thread at a time.
class small_loop {
public:
    small_loop() : loop_(make()) {}
    small_loop(const small_loop&) = delete;
    small_loop& operator=(const small_loop&) = delete;
    ~small_loop() {
        if (loop_ != nullptr) end();
    }

    [[nodiscard]] core_shared& get() const noexcept { return *loop_; }

    /// Spawns a task. The loop need not run.
    template <class W>
    auto spawn(W task) {
        return eddy::detail::spawn_on(*loop_, std::move(task), std::source_location::current());
    }

    void turn() { loop_->turn(0ns, std::source_location::current()); }
    /// Runs until all tasks have ended.
    void run() { eddy::detail::run_until_idle(*loop_, std::source_location::current()); }
    /// Destroys the remaining tasks and the event loop.
    void end() {
        core_shared* const ended = std::exchange(loop_, nullptr);
        ended->close();
        ended->release();
    }

private:
    static core_shared* make() {
        // Task ids are allocated in blocks of 1,024, and the first id of a block takes an additional atomic operation.
        // All executions of a model must be the same, so none of the model's tasks may get a first id.
        explore::outside([] {
            constexpr std::uint64_t tasks = 8;  // no model has more
            std::uint64_t id = 0;
            do {
                eddy::detail::number_task(id);
            } while ((id + tasks) % eddy::detail::task_ids_at_once < tasks);
        });
        return new core_shared(core_shared::settings());
    }

    core_shared* loop_;
};

/// A future that is ready at the last of a given number of polls.
struct work {
    using output_type = output;
    unsigned polls_left;  ///< 0 for a task that never ends
    eddy::waker* keeps;   ///< stores a copy of the task's waker there until the last poll
    explore::tracked alive{};

    explicit work(unsigned polls, eddy::waker* keep = nullptr) : polls_left(polls), keeps(keep) {}

    eddy::poll_result<output> poll(context& cx) {
        alive.touch();
        const bool is_last = polls_left == 1;
        if (polls_left > 0) --polls_left;
        if (keeps != nullptr) *keeps = is_last ? eddy::waker() : cx.waker();
        if (!is_last) return eddy::not_ready;
        return output(7);
    }
};

join_handle<output> spawn(small_loop& loop, work task) { return loop.spawn(std::move(task)); }

// ---- All sequences of calls on a join handle ----

/// Holds a join handle and makes the calls that the letters name:
///
///     p, q    polls it with the first or second waker
///     a       aborts the task
///     h       makes an abort handle and keeps it
///     c       makes an abort handle, copies it, and drops both
class user {
public:
    explicit user(join_handle<output> handle) : handle_(std::move(handle)) {}

    void play(const std::string& letters) {
        for (const char letter : letters) {
            if (has_seen_) return;
            switch (letter) {
            case 'p': poll(first_); break;
            case 'q': poll(second_); break;
            case 'a': handle_->abort(); break;
            case 'h': aborts_.emplace(handle_->abort_handle()); break;
            default: {
                const eddy::abort_handle made = handle_->abort_handle();
                const eddy::abort_handle copy(made);  // NOLINT(performance-unnecessary-copy-initialization)
            }
            }
        }
    }
    void wait() {
        while (!has_seen_ && !poll(first_)) first_.sleep();
    }
    void drop() {
        handle_.reset();
        if (aborts_) {
            aborts_->abort();
            static_cast<void>(aborts_->is_finished());
        }
    }

    [[nodiscard]] join_handle<output>& handle() { return *handle_; }

private:
    bool poll(sleeping_task& with) {
        const eddy::waker waker = with.waker();
        context cx(waker);
        const auto ended = handle_->poll(cx);
        if (!ended) return false;
        check(ended->has_value() ? (*ended)->value == 7 : ended->error().is_cancelled(), "a value, or cancelled");
        check(handle_->is_finished(), "the task is finished");
        has_seen_ = true;
        return true;
    }

    sleeping_task first_{false};
    sleeping_task second_{false};
    std::optional<join_handle<output>> handle_;
    std::optional<eddy::abort_handle> aborts_;
    bool has_seen_ = false;
};

/// Returns all words of at most `length` letters, all of which are in `letters`.
std::vector<std::string> words(const std::string& letters, std::size_t length) {
    std::vector<std::string> all{""};
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].size() == length) break;
        for (const char letter : letters) all.push_back(all[i] + letter);
    }
    return all;
}

class ExploreLoopTask : public testing::Test {
protected:
    static void SetUpTestSuite() {
        explore::separate(&eddy::detail::this_thread.running_loop);
        explore::separate(&eddy::detail::this_thread.runs_here);
        explore::separate(&eddy::detail::this_thread.polled);
    }
};

constexpr explore::options bounds{.preemptions = 2, .stale_reads = 1};

/// Runs one driver tick, in which the task may complete, and then destroys the event loop with its remaining tasks.
void end_elsewhere(small_loop& loop) {
    loop.turn();
    loop.end();
}

// covers: R038
TEST_F(ExploreLoopTask, HandleCallsRaceWithEndOfTaskAndLoop) {
    for (const auto& letters : words("pqahc", 2)) {
        for (const bool ends : {true, false}) {
            for (const bool waits : {true, false}) {
                ASSERT_TRUE(holds(bounds,
                                  [&] {
                                      small_loop loop;
                                      user owner(spawn(loop, work(ends ? 1 : 0)));
                                      explore::thread elsewhere([&] { end_elsewhere(loop); });
                                      owner.play(letters);
                                      if (waits) owner.wait();
                                      owner.drop();
                                  }))
                    << letters << (ends ? ", ends" : ", is destroyed with the loop")
                    << (waits ? ", waited for" : ", dropped");
            }
        }
    }
}

// covers: R036
TEST_F(ExploreLoopTask, AbortWakesParkedEventLoop) {
    for (const char* const letters : {"a", "pa", "ap", "ha"}) {
        ASSERT_TRUE(holds(bounds, [&] {
            small_loop loop;
            user owner(spawn(loop, work(0)));
            explore::thread elsewhere([&] {
                loop.run();
                loop.end();
            });
            owner.play(letters);
            owner.wait();
            owner.drop();
        })) << letters;
    }
}

TEST_F(ExploreLoopTask, AbortOnThirdThreadRacesWithEndOfTask) {
    for (const char* const letters : {"", "p", "a", "c"}) {
        for (const bool ends : {true, false}) {
            ASSERT_TRUE(holds(bounds,
                              [&] {
                                  small_loop loop;
                                  user owner(spawn(loop, work(ends ? 1 : 0)));
                                  explore::thread third([aborts = owner.handle().abort_handle()] {
                                      const eddy::abort_handle copy(aborts);
                                      copy.abort();
                                  });
                                  explore::thread elsewhere([&] { end_elsewhere(loop); });
                                  owner.play(letters);
                                  owner.drop();
                              }))
                << letters << (ends ? ", ends" : ", is destroyed with the loop");
        }
    }
}

/// The task's waker is copied outside of the event loop, so only the shared word counts the copy's reference.
template <class Spawn>
void waker_on_a_third_thread(const std::string& letters, Spawn spawns) {
    small_loop loop;
    eddy::waker kept;
    user owner(spawns(loop, work(2, &kept)));
    loop.turn();
    explore::thread third([waker = kept]() mutable { std::move(waker).wake(); });
    explore::thread elsewhere([&] { end_elsewhere(loop); });
    owner.play(letters);
    owner.drop();
}

TEST_F(ExploreLoopTask, WakeOnThirdThreadRacesWithEndOfTask) {
    for (const char* const letters : {"", "p", "a"}) {
        ASSERT_TRUE(holds(bounds, [&] { waker_on_a_third_thread(letters, &spawn); })) << letters;
    }
}

/// A future that awaits the join handle on the event loop itself.
struct joiner {
    using output_type = void;
    join_handle<output> joined;

    eddy::poll_result<void> poll(context& cx) {
        const auto ended = joined.poll(cx);
        if (!ended) return eddy::not_ready;
        check(ended->has_value() ? (*ended)->value == 7 : ended->error().is_cancelled(), "a value, or cancelled");
        return eddy::poll_result<void>::ready();
    }
};

TEST_F(ExploreLoopTask, HandleOnLoopRacesWithAbortElsewhere) {
    // On the event loop's own thread, the handle changes the word by load and store if no other thread has access.
    for (const unsigned polls : {1u, 0u}) {
        ASSERT_TRUE(holds({.preemptions = 4, .stale_reads = 1}, [&] {
            small_loop loop;
            auto joined = spawn(loop, work(polls));
            explore::thread third([aborts = joined.abort_handle()] {
                const eddy::abort_handle copy(aborts);
                copy.abort();
            });
            loop.spawn(joiner(std::move(joined))).detach();
            loop.run();
            loop.end();
        })) << polls;
    }
}

/// A future that wakes its task in the first poll, and is ready in the second one.
struct yields_once {
    using output_type = output;
    bool has_yielded = false;

    eddy::poll_result<output> poll(context& cx) {
        if (std::exchange(has_yielded, true)) return output(7);
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    }
};

TEST_F(ExploreLoopTask, HandleOnLoopSeesTheEndOfUsesElsewhere) {
    // The handle is polled while the task is queued. If the other thread has dropped its references by then, the handle
    // uses load and store, and the task is freed without a further read-modify-write that would synchronize.
    EXPECT_TRUE(holds({.preemptions = 4, .stale_reads = 1}, [] {
        small_loop loop;
        auto joined = loop.spawn(yields_once());
        explore::thread third([aborts = joined.abort_handle()]() mutable {
            const eddy::abort_handle mine(std::move(aborts));
            const eddy::abort_handle copy(mine);  // NOLINT(performance-unnecessary-copy-initialization)
        });
        loop.spawn(joiner(std::move(joined))).detach();
        loop.run();
        loop.end();
    }));
}

TEST_F(ExploreLoopTask, HandleOnLoopRacesWithWakeElsewhere) {
    // The waker was copied on the event loop, so only the local word counts its reference.
    EXPECT_TRUE(holds({.preemptions = 4, .stale_reads = 1}, [] {
        small_loop loop;
        eddy::waker kept;
        auto joined = spawn(loop, work(2, &kept));
        loop.turn();
        explore::thread third([waker = std::move(kept)]() mutable {
            const eddy::waker copy(waker);  // NOLINT(performance-unnecessary-copy-initialization)
            std::move(waker).wake();
        });
        loop.spawn(joiner(std::move(joined))).detach();
        loop.run();
        loop.end();
    }));
}

/// A user-provided waker. When it is dropped, another thread gets access to a task and aborts it.
struct aborting_waker {
    join_handle<output>* joined = nullptr;
    std::optional<explore::thread> third{};

    static void* clone(void* data) noexcept { return data; }
    static void wake(void*) noexcept {}
    static void drop(void* data) noexcept {
        auto& self = *static_cast<aborting_waker*>(data);
        if (!self.third) self.third.emplace([aborts = self.joined->abort_handle()] { aborts.abort(); });
    }
    static constexpr eddy::waker_vtable vtable{&clone, &wake, &wake, &drop};
};

/// Polls a join handle with a user-provided waker, and then with its own.
struct joins_twice {
    using output_type = void;
    join_handle<output> joined;
    aborting_waker& first;

    eddy::poll_result<void> poll(context& cx) {
        if (std::exchange(first.joined, &joined) == nullptr) {
            const eddy::detail::borrowed_waker waker(&aborting_waker::vtable, &first);
            context with(waker.get());
            static_cast<void>(joined.poll(with));
        }
        const auto ended = joined.poll(cx);
        if (!ended) return eddy::not_ready;
        check(!ended->has_value() && ended->error().is_cancelled(), "cancelled");
        return eddy::poll_result<void>::ready();
    }
};

TEST_F(ExploreLoopTask, ReplacedWakerMayGiveAccessToAnotherThread) {
    EXPECT_TRUE(holds({.preemptions = 4, .stale_reads = 1}, [] {
        small_loop loop;
        aborting_waker first;
        loop.spawn(joins_twice{spawn(loop, work(0)), first}).detach();
        loop.run();
        loop.end();
    }));
}

/// A future that never ends, and that owns the join handle of its own task.
struct owns_its_handle {
    using output_type = void;
    std::shared_ptr<std::optional<join_handle<void>>> own;
    eddy::waker* keeps;  ///< stores a copy of the task's waker there

    eddy::poll_result<void> poll(context& cx) {
        *keeps = cx.waker();
        return eddy::not_ready;
    }
};

/// The closing loop destroys the future, and so drops the handle, while another thread uses the task's waker.
template <class Use>
void handle_is_dropped_by_the_closing_loop(Use use) {
    small_loop loop;
    eddy::waker kept;
    {
        const auto own = std::make_shared<std::optional<join_handle<void>>>();
        own->emplace(loop.spawn(owns_its_handle{own, &kept}));
    }
    loop.turn();
    explore::thread third([waker = std::move(kept), use]() mutable { use(waker); });
    loop.end();
}

TEST_F(ExploreLoopTask, HandleDroppedByClosingLoopRacesWithWakerElsewhere) {
    EXPECT_TRUE(holds(bounds, [] {
        handle_is_dropped_by_the_closing_loop([](eddy::waker& mine) { mine = eddy::waker(); });
    })) << "dropped";
    EXPECT_TRUE(holds(bounds, [] {
        handle_is_dropped_by_the_closing_loop([](eddy::waker& mine) { std::move(mine).wake(); });
    })) << "woken";
    EXPECT_TRUE(holds(bounds, [] {
        handle_is_dropped_by_the_closing_loop([](eddy::waker& mine) {
            const eddy::waker copy(mine);  // NOLINT(performance-unnecessary-copy-initialization)
        });
    })) << "copied";
}

TEST_F(ExploreLoopTask, WakersOutliveTheLoopThatDroppedTheHandle) {
    EXPECT_TRUE(holds(bounds, [] {
        eddy::waker first;
        eddy::waker second;
        handle_is_dropped_by_the_closing_loop([&](eddy::waker& mine) {
            second = mine;
            first = std::move(mine);
        });
        first = eddy::waker();
        second.wake_by_ref();
    }));
}

class ExploreLoopTaskStress : public ExploreLoopTask {};

// One of the programs, since each takes two seconds; all of them in a soak.
TEST_F(ExploreLoopTaskStress, LongHandleCallsRaceWithEndOfTaskAndLoop) {
    const std::array programs{"pqp", "pah", "hpa", "pca", "ahq", "cpq"};
    const auto count = support::rounds(programs.size());
    for (std::uint64_t i = 0; i < count; ++i) {
        const char* const letters = programs[(support::seed() + i) % programs.size()];
        for (const bool ends : {true, false}) {
            ASSERT_TRUE(holds({.preemptions = 3, .stale_reads = 1, .spurious_failures = 1},
                              [&] {
                                  small_loop loop;
                                  user owner(spawn(loop, work(ends ? 1 : 0)));
                                  explore::thread elsewhere([&] { end_elsewhere(loop); });
                                  owner.play(letters);
                                  owner.drop();
                              }))
                << letters << (ends ? ", ends" : ", is destroyed with the loop");
        }
    }
}

TEST_F(ExploreLoopTaskStress, RandomExecutionsPass) {
    EXPECT_TRUE(holds(explore::by_chance(), [] {
        small_loop loop;
        eddy::waker kept;
        user owner(spawn(loop, work(2, &kept)));
        loop.turn();
        explore::thread waking([waker = kept]() mutable { std::move(waker).wake(); });
        explore::thread aborting([aborts = owner.handle().abort_handle()] { aborts.abort(); });
        explore::thread elsewhere([&] { end_elsewhere(loop); });
        owner.play("pqc");
        owner.drop();
    }));
}

// ---- Copies with one mistake each fail ----

struct as_it_is {
    static constexpr std::memory_order end = std::memory_order_acq_rel;
    static constexpr bool ends_in_one_step = true;
    static constexpr std::uint64_t bias = std::uint64_t{1} << 60;
    static constexpr bool adds_references = true;
    static constexpr bool keeps_flags = true;
};

/// A copy of local_word with a constant for each mistake.
template <class Choice>
class changed_word {
public:
    explicit changed_word(spawned_task& task) : task_(task) {}

    static void divide(spawned_task& task) {
        const std::uint64_t first = task.state.load(std::memory_order_relaxed);
        task.local = (first & ~task_flags::join_interest) + Choice::bias;
        task.state.store((first & task_flags::join_interest) + Choice::bias, std::memory_order_relaxed);
    }

    template <class Decide>
    auto change(Decide decide) {
        if ((task_.local & task_flags::complete) != 0) return shared_word(task_).change(decide);
        const auto [next, answer] = decide(task_.local);
        task_.local = next;
        return answer;
    }
    template <class Decide>
    auto end(Decide decide) {
        const std::uint64_t mine = std::exchange(task_.local, spawned_task::only_shared);
        const std::uint64_t running = mine & task_flags::running;
        const std::uint64_t own = mine / task_flags::ref_one * task_flags::ref_one;
        const std::uint64_t references = Choice::adds_references ? own : Choice::bias + task_flags::ref_one;
        std::uint64_t now = task_.state.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t flags = Choice::keeps_flags ? now | running : running;
            const auto [next, answer] = decide(flags + references - 2 * Choice::bias);
            if (!Choice::ends_in_one_step) {
                task_.state.store(next, Choice::end);
                return answer;
            }
            if (task_.state.compare_exchange_weak(now, next, Choice::end, std::memory_order_relaxed)) return answer;
        }
    }
    void add(std::uint64_t references) { task_.local += references; }
    std::uint64_t subtract(std::uint64_t references) { return std::exchange(task_.local, task_.local - references); }
    [[nodiscard]] std::uint64_t shared(std::memory_order order) const { return task_.state.load(order); }
    [[nodiscard]] std::uint64_t total(std::memory_order order) const {
        return task_.state.load(order) + task_.local - 2 * Choice::bias;
    }

private:
    spawned_task& task_;
};

/// Runs the only task of a model as an event loop does, with a changed local word.
template <class Choice>
class changed_loop final : public eddy::detail::spawned_task_owner {
public:
    using word = changed_word<Choice>;  // of run_task.hpp

    join_handle<output> spawn(work task) {
        using cell = eddy::detail::task_cell<work>;
        auto* const made = eddy::detail::pool_new<cell>(*this, std::source_location::current(), std::move(task));
        adopt(*made);
        return join_handle<output>(*made);
    }
    void run() {
        while (queued_ != nullptr) run_task(*this, *std::exchange(queued_, nullptr));
    }

    void adopt(spawned_task& task) noexcept override {
        word::divide(task);
        queued_ = &task;
    }
    // Called for an abort: like an event loop that is closed.
    void schedule(spawned_task& task) noexcept override { eddy::detail::release(task); }
    void report(eddy::detail::unread_failure, const std::source_location&, std::string_view) noexcept override {}

    // ---- The policies of run_task.hpp ----
    poll_end poll(spawned_task& task) noexcept {
        const eddy::waker none;
        context cx(none);
        return poll_once(task, cx);
    }
    void queue_again(spawned_task& task) noexcept { queued_ = &task; }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return true; }
    changed_loop& owner() noexcept { return *this; }
    void complete(spawned_task& task, std::uint64_t references) noexcept { complete_task(*this, task, references); }
    bool remove(spawned_task&) noexcept { return std::exchange(is_listed_, false); }

private:
    spawned_task* queued_ = nullptr;
    bool is_listed_ = true;
};

template <class Choice>
auto uses(std::string letters, bool waits = false) {
    return [=] {
        changed_loop<Choice> loop;
        user owner(loop.spawn(work(1)));
        explore::thread elsewhere([&] { loop.run(); });
        owner.play(letters);
        if (waits) owner.wait();
        owner.drop();
    };
}

struct end_that_only_acquires : as_it_is {
    static constexpr std::memory_order end = std::memory_order_acquire;
};
struct end_that_only_releases : as_it_is {
    static constexpr std::memory_order end = std::memory_order_release;
};
struct end_in_two_steps : as_it_is {
    static constexpr bool ends_in_one_step = false;
    static constexpr std::memory_order end = std::memory_order_release;
};
struct no_bias : as_it_is {
    static constexpr std::uint64_t bias = 0;
};
struct local_references_are_lost : as_it_is {
    static constexpr bool adds_references = false;
};
struct shared_flags_are_lost : as_it_is {
    static constexpr bool keeps_flags = false;
};

TEST_F(ExploreLoopTask, CorrectCopyPasses) {
    for (const char* const letters : {"", "p", "pq", "h", "c"}) {
        EXPECT_TRUE(holds(bounds, uses<as_it_is>(letters))) << letters;
        EXPECT_TRUE(holds(bounds, uses<as_it_is>(letters, true))) << letters;
    }
}

TEST_F(ExploreLoopTask, BrokenEndsFail) {
    EXPECT_TRUE(fails(bounds, uses<end_that_only_acquires>("p", true), ""));
    EXPECT_TRUE(fails(bounds, uses<end_that_only_releases>("p"), ""));
    EXPECT_TRUE(fails(bounds, uses<end_in_two_steps>("p", true), ""));
    EXPECT_TRUE(fails(bounds, uses<no_bias>("c"), ""));
    EXPECT_TRUE(fails(bounds, uses<local_references_are_lost>(""), ""));
    EXPECT_TRUE(fails(bounds, uses<shared_flags_are_lost>("p", true), ""));
}

/// A future that awaits a task of the same loop. It changes the word by load and store, without a check whether another
/// thread has access to the task.
struct careless_joiner {
    using output_type = void;
    spawned_task* joined;

    explicit careless_joiner(join_handle<output> handle) : joined(&eddy::detail::join_access::release(handle)) {}

    eddy::poll_result<void> poll(context& cx) {
        if (state_of(*joined).is_complete()) {
            eddy::detail::drop_join_handle(*joined);
            return eddy::poll_result<void>::ready();
        }
        task_state<unshared_word> state(*joined);
        if (!state.has_join_waker()) {
            joined->join_waker = cx.waker();
            static_cast<void>(state.publish_join_waker());
        }
        return eddy::not_ready;
    }
};

TEST_F(ExploreLoopTask, LoadAndStoreBesideOtherThreadsFail) {
    EXPECT_TRUE(fails(
        {.preemptions = 3, .stale_reads = 1},
        [] {
            small_loop loop;
            auto joined = loop.spawn(work(0));
            explore::thread third([aborts = joined.abort_handle()] { aborts.abort(); });
            loop.spawn(careless_joiner(std::move(joined))).detach();
            loop.run();
            loop.end();
        },
        ""));
}

}  // namespace
