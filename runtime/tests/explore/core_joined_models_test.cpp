// SPDX-License-Identifier: MIT
// A task of an event loop, and its join handle on another thread. The loop completes the task and shuts down while the
// handle is polled, dropped, aborted and turned into abort handles. The outcome is received or destroyed once, the
// memory is freed once and not accessed afterwards, and a waiting joiner is woken. The event loop is the library's,
// without timers and I/O.
#include <eddy/detail/core_spawn.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <eddy/detail/pool_spawn.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/task/join_handle.hpp>

#include "executor/loop/core_shared.hpp"
#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::context;
using eddy::join_handle;
using eddy::detail::core_joined;
using eddy::detail::core_shared;
using eddy::detail::core_task;
using eddy::detail::joinable;
using explore::check;
using explore::fails;
using explore::holds;
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

    void turn() { loop_->turn(0ns, std::source_location::current()); }
    /// Runs until all tasks have ended.
    void run() { loop_->run_until_idle(std::source_location::current()); }
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

/// A task's output. It must be destroyed once.
struct output {
    explore::tracked alive;
    int value = 0;

    explicit output(int given) : value(given) {}
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

join_handle<output> spawn(small_loop& loop, work task) {
    return eddy::detail::spawn_on_core(loop.get(), std::move(task), std::source_location::current());
}

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

class ExploreCoreJoined : public testing::Test {
protected:
    static void SetUpTestSuite() { explore::separate(&eddy::detail::this_thread.running_loop); }
};

constexpr explore::options bounds{.preemptions = 2, .stale_reads = 1};

/// Runs one driver tick, in which the task may complete, and then destroys the event loop with its remaining tasks.
void end_elsewhere(small_loop& loop) {
    loop.turn();
    loop.end();
}

// covers: R038
TEST_F(ExploreCoreJoined, HandleCallsRaceWithEndOfTaskAndLoop) {
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
TEST_F(ExploreCoreJoined, AbortWakesParkedEventLoop) {
    for (const char* const letters : {"a", "pa", "ap", "ha"}) {
        ASSERT_TRUE(holds(bounds, [&] {
            small_loop loop;
            user owner(spawn(loop, work(false)));
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

TEST_F(ExploreCoreJoined, AbortOnThirdThreadRacesWithEndOfTask) {
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

/// The task's waker is copied outside of the event loop, so only the remote word counts the copy's reference.
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

TEST_F(ExploreCoreJoined, WakeOnThirdThreadRacesWithEndOfTask) {
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

TEST_F(ExploreCoreJoined, HandleOnLoopRacesWithAbortElsewhere) {
    // On the event loop's own thread the handle changes its word with plain stores. Abort handles are copied meanwhile.
    for (const unsigned polls : {1u, 0u}) {
        ASSERT_TRUE(holds({.preemptions = 4, .stale_reads = 1}, [&] {
            small_loop loop;
            auto joined = spawn(loop, work(polls));
            explore::thread third([aborts = joined.abort_handle()] {
                const eddy::abort_handle copy(aborts);
                copy.abort();
            });
            eddy::detail::spawn_on_core(loop.get(), joiner(std::move(joined)), std::source_location::current())
                .detach();
            loop.run();
            loop.end();
        })) << polls;
    }
}

/// Joins a task that is next in the queue, so that it runs inside the poll of this coroutine. Another thread aborts it.
eddy::task<void> join_next(small_loop& loop, unsigned polls, std::optional<explore::thread>& third) {
    auto joined = spawn(loop, work(polls));
    third.emplace([aborts = joined.abort_handle()] { aborts.abort(); });
    const auto ended = co_await joined;
    check(ended.has_value() ? ended->value == 7 : ended.error().is_cancelled(), "a value, or cancelled");
}

TEST_F(ExploreCoreJoined, TaskInsidePollOfItsJoinerRacesWithAbortElsewhere) {
    for (const unsigned polls : {1u, 0u}) {
        ASSERT_TRUE(holds(bounds, [&] {
            small_loop loop;
            std::optional<explore::thread> third;
            eddy::detail::spawn_on_core(loop.get(), join_next(loop, polls, third), std::source_location::current())
                .detach();
            loop.run();
            loop.end();
        })) << polls;
    }
}

class ExploreCoreJoinedStress : public ExploreCoreJoined {};

// One of the programs, since each takes two seconds; all of them in a soak.
TEST_F(ExploreCoreJoinedStress, LongHandleCallsRaceWithEndOfTaskAndLoop) {
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

TEST_F(ExploreCoreJoinedStress, RandomExecutionsPass) {
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

/// The operations of core_joined that the broken variants replace.
struct as_it_is {
    using leaves = core_joined::leaves;

    static leaves publish(core_joined& task, bool may_part) { return task.publish(may_part); }
    static leaves leave(core_joined& task) { return task.leave(); }
    static bool poll_join(joinable& task, const eddy::waker& wake, std::source_location where,
                          const eddy::detail::frame*) {
        return core_joined::poll_join(task, wake, where, nullptr);
    }
    static void abort(joinable& task) { core_joined::abort(task); }
    static void add_reference(joinable& task) { core_joined::add_reference(task); }
};

/// A copy of a core's task_cell with replaceable operations.
template <class Choice>
class changed_cell final : public core_joined {
public:
    changed_cell(core_shared& loop, work&& task)
        : core_joined(operations, joins, loop, std::source_location::current(), nullptr, kept_),
          work_(std::move(task)) {}

private:
    // SAFETY: only tasks of this class have these operations.
    static changed_cell& of(core_task& task) { return static_cast<changed_cell&>(task); }
    static changed_cell& of(joinable& task) { return static_cast<changed_cell&>(core_joined::of(task)); }

    static bool poll(core_task& task, context& cx) {
        auto& me = of(task);
        me.has_ended = eddy::detail::keep_answer<output>(me.kept_, me.work_->poll(cx));
        return me.has_ended;
    }
    static bool poll_cancel(core_task&, context&) { return true; }
    static void destroy_future(core_task& task) noexcept { of(task).work_.reset(); }
    static bool complete(core_task& task) noexcept {
        auto& me = of(task);
        const bool may_part = task.state == core_task::phase::ended;
        if (!me.has_ended) me.kept_.set_exception(nullptr);
        const leaves left = Choice::publish(me, may_part && !me.kept_.has_exception());
        if (left == leaves::outcome) me.kept_.discard();
        return left == leaves::all;
    }
    static void free_memory(core_task& task) noexcept { eddy::detail::pool_delete(&of(task)); }
    static void drop_handle(joinable& task) noexcept {
        auto& me = of(task);
        const leaves left = Choice::leave(me);
        if (left != leaves::nothing) me.kept_.discard();
        left == leaves::all ? free_memory(me) : core_joined::release(task);
    }
    static void abort(joinable& task) noexcept { Choice::abort(task); }
    static void add_reference(joinable& task) noexcept { Choice::add_reference(task); }

    static constexpr eddy::detail::core_task_ops operations{
        {&poll, &poll_cancel, &destroy_future, nullptr, &free_memory, nullptr}, {&complete}};
    static constexpr eddy::detail::join_ops joins{
        &Choice::poll_join,         &drop_handle,   &core_joined::outcome_of, &abort,
        &core_joined::is_finished,  &add_reference, &core_joined::release,    &core_joined::id_of,
        &core_joined::spawn_site_of};

    eddy::detail::slot<output> kept_;
    std::optional<work> work_;
};

template <class Choice>
join_handle<output> spawn_changed(small_loop& loop, work task) {
    auto* const made = eddy::detail::pool_new<changed_cell<Choice>>(loop.get(), std::move(task));
    eddy::detail::adopt_task(loop.get(), *made);
    return join_handle<output>(*made);
}

constexpr auto acq_rel = std::memory_order_acq_rel;

bool is_last(const core_joined& task, bool may_part) {
    return may_part && task.local_refs == 1 && task.remote.load(std::memory_order_acquire) == 0;
}

/// Completes the task in one change of the word. If `parts` and there are no other references, leaves the memory to the
/// handle.
core_joined::leaves publish_at_once(core_joined& task, bool parts, std::memory_order order) {
    constexpr std::uint8_t counted = core_joined::gone | core_joined::is_shared;
    std::uint8_t word = task.join_word.load(std::memory_order_relaxed);
    std::uint8_t next = 0;
    do {
        next = (word & ~core_joined::has_waker) | core_joined::complete;
        if (parts && (word & counted) == 0) next |= core_joined::parted;
    } while (!task.join_word.compare_exchange_weak(word, next, order, std::memory_order_relaxed));
    if ((word & core_joined::gone) != 0) return core_joined::leaves::outcome;
    if ((word & core_joined::has_waker) != 0) std::move(task.join_waker).wake();
    return (next & core_joined::parted) != 0 ? core_joined::leaves::all : core_joined::leaves::nothing;
}

struct parts_while_a_waker_is_left : as_it_is {
    static leaves publish(core_joined& task, bool may_part) {
        return publish_at_once(task, is_last(task, may_part), acq_rel);
    }
};
struct parts_whoever_has_references : as_it_is {
    static leaves publish(core_joined& task, bool may_part) {
        const bool has_waker = (task.join_word.load(std::memory_order_relaxed) & core_joined::has_waker) != 0;
        return publish_at_once(task, may_part && task.local_refs == 1 && !has_waker, acq_rel);
    }
};
struct never_parts_and_only_acquires : as_it_is {
    static leaves publish(core_joined& task, bool) { return publish_at_once(task, false, std::memory_order_acquire); }
};
struct never_parts_and_only_releases : as_it_is {
    static leaves publish(core_joined& task, bool) { return publish_at_once(task, false, std::memory_order_release); }
};
struct shares_unsaid : as_it_is {
    static void add_reference(joinable& task) { eddy::detail::retain_core_task(core_joined::of(task)); }
};
struct shares_what_is_parted : as_it_is {
    static void add_reference(joinable& joined) {
        core_joined& task = core_joined::of(joined);
        task.join_word.fetch_or(core_joined::is_shared, acq_rel);
        eddy::detail::retain_core_task(task);
    }
};
struct shares_while_it_parts : as_it_is {  // the event loop overwrites the bit
    static void add_reference(joinable& joined) {
        core_joined& task = core_joined::of(joined);
        const std::uint8_t before = task.join_word.fetch_or(core_joined::is_shared, acq_rel);
        if ((before & core_joined::parted) == 0) return eddy::detail::retain_core_task(task);
        task.is_merged = true;
        task.shared = nullptr;
        task.remote.store(core_task::merged + 2 * core_task::one_ref, std::memory_order_relaxed);
        task.join_word.store(core_joined::complete | core_joined::is_shared, std::memory_order_relaxed);
    }
};
struct aborts_unsaid : as_it_is {  // the handle does not mark the word as shared
    static void abort(joinable& task) {
        if (!core_joined::is_finished(task)) eddy::detail::cancel_core_task(core_joined::of(task));
    }
};
struct polls_over_a_waker : as_it_is {
    static bool poll_join(joinable& joined, const eddy::waker& wake, std::source_location, const eddy::detail::frame*) {
        core_joined& task = core_joined::of(joined);
        if (core_joined::is_finished(task)) return true;
        task.join_waker = wake;
        return (task.join_word.fetch_or(core_joined::has_waker, acq_rel) & core_joined::complete) != 0;
    }
};
struct polls_blindly : as_it_is {
    static bool poll_join(joinable& task, const eddy::waker& wake, std::source_location where,
                          const eddy::detail::frame*) {
        return core_joined::is_finished(task) || (core_joined::poll_join(task, wake, where, nullptr), false);
    }
};
struct leaves_unsaid : as_it_is {
    static leaves leave(core_joined& task) {
        const auto word = task.join_word.load(std::memory_order_acquire);
        if ((word & core_joined::parted) != 0) return leaves::all;
        return (word & core_joined::complete) != 0 ? leaves::outcome : leaves::nothing;
    }
};

template <class Choice>
auto uses(std::string letters, bool waits = false) {
    return [=] {
        small_loop loop;
        user owner(spawn_changed<Choice>(loop, work(1)));
        explore::thread elsewhere([&] { end_elsewhere(loop); });
        owner.play(letters);
        if (waits) owner.wait();
        owner.drop();
    };
}

template <class Choice>
void wakes_elsewhere() {
    waker_on_a_third_thread("", &spawn_changed<Choice>);
}

TEST_F(ExploreCoreJoined, CorrectCopyPasses) {
    for (const char* const letters : {"", "p", "pq", "a", "h", "c"}) {
        EXPECT_TRUE(holds(bounds, uses<as_it_is>(letters))) << letters;
        EXPECT_TRUE(holds(bounds, uses<as_it_is>(letters, true))) << letters;
    }
    EXPECT_TRUE(holds(bounds, wakes_elsewhere<as_it_is>));
}

TEST_F(ExploreCoreJoined, BrokenCompletionsFail) {
    EXPECT_TRUE(fails(bounds, uses<parts_while_a_waker_is_left>("p"), "a data race"));
    EXPECT_TRUE(fails(bounds, wakes_elsewhere<parts_whoever_has_references>, "a data race"));
    EXPECT_TRUE(fails(bounds, uses<never_parts_and_only_acquires>("p", true), "a data race"));
    EXPECT_TRUE(fails(bounds, uses<never_parts_and_only_releases>("p"), "a data race"));
}

TEST_F(ExploreCoreJoined, BrokenHandleCallsFail) {
    EXPECT_TRUE(fails(bounds, uses<shares_unsaid>("h"), "freed"));
    EXPECT_TRUE(fails(bounds, uses<shares_what_is_parted>("h"), "freed"));
    EXPECT_TRUE(fails(bounds, uses<shares_while_it_parts>("ph"), "freed"));
    EXPECT_TRUE(fails(bounds, uses<aborts_unsaid>("a"), "is destroyed without synchronization"));
    EXPECT_TRUE(fails(bounds, uses<polls_over_a_waker>("pq"), "a data race"));
    EXPECT_TRUE(fails(bounds, uses<polls_blindly>("", true), "a lost wake-up"));
    EXPECT_TRUE(fails(bounds, uses<leaves_unsaid>(""), "a leak"));
}

}  // namespace
