// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "explore/operations.hpp"
#include "explore/trace.hpp"
#include "explore/types.hpp"

// An explorer of interleavings: runs a small concurrent program, a *model*, again and again, once for each order in
// which its threads can make their steps and for each store that a load may read, and says which of them goes wrong.
//
//     TEST(ExploreMailbox, NothingIsLost) {
//         EXPECT_TRUE(explore::holds([] {
//             mailbox box;                                            // on eddy::detail::atomic and mutex
//             explore::thread sender([&] { box.put(1); });
//             explore::check(box.take() == 1, "what was sent arrives");
//         }));                                                        // joins its threads where they go out of scope
//     }
//
// A model must do the same whenever the same choices are made: no clock, no random numbers, no addresses compared, no
// state that outlives it. It uses check() and not GoogleTest's macros, whose records would lie in the model's heap.
//
// What it finds: a check() that fails; a data race on plain memory, on any byte that instrumented code touches; a use
// of freed memory, a double free, a leak; an atomic or lock used before its construction or after its destruction; a
// deadlock, which is how a lost wake-up shows; threads that spin for ever; an exception that leaves a thread.
//
// The memory model: each atomic keeps the stores made to it, and a load may read any that the thread cannot know to be
// outdated: by happens-before (vector clocks, made by release and acquire, release sequences, locks, threads), by what
// it or a thread before it has read, and, for seq_cst, by the one order of all seq_cst operations on that object. What
// it leaves out:
//   - a store is always the newest of its object when it is made. So two relaxed stores that another thread sees in the
//     other order are seen only in so far as that thread reads old values;
//   - a load reads no store that is made later (load buffering), unless options::early_reads allows it;
//   - fences (the library has none), and consume is acquire;
//   - a compare-exchange that fails reads the newest store.
namespace explore {

struct options {
    /// How often a thread is left that could have gone on, at most, in one execution. Most bugs need one or two.
    unsigned preemptions = 2;
    /// How many loads read an outdated value, at most, in one execution. Most bugs need one.
    unsigned stale_reads = 2;
    /// How many relaxed loads read what another thread stores only later, at most, in one execution: where nothing
    /// keeps the load before what its thread does next. For what relies on reading something before giving it free. It
    /// costs, and few need it.
    unsigned early_reads = 0;
    /// How many weak compare-exchanges, and how many waits on conditions, end for nothing in one execution.
    unsigned spurious_failures = 0;
    unsigned spurious_wakeups = 0;
    /// Whether a wait with a limit may end by it although other threads could go on.
    bool early_timeouts = false;
    /// Leaves out orders that differ only in steps that do not conflict. Off, for the explorer's own tests.
    bool is_reduced = true;
    std::uint64_t max_executions = 2'000'000;
    std::uint64_t max_steps = 5'000;  ///< of one execution: more are taken for an endless loop
    std::chrono::seconds time_limit{120};
    /// Beyond the bounds: so many executions more, drawn at random.
    std::uint64_t random_executions = 0;
    std::uint64_t seed = 1;
};

/// For the stress tests: at random, without a bound on preemptions, as often as support::rounds() says, from
/// support::seed().
[[nodiscard]] options by_chance();

struct report {
    bool has_failed = false;
    std::string what;                          ///< went wrong
    std::string path;                          ///< EDDY_EXPLORE_PATH repeats it
    std::vector<detail::event_record> events;  ///< of the execution that failed
    std::uint64_t executions = 0;
    bool is_complete = false;  ///< no limit cut it short
};

using model = std::function<void()>;

/// Explores until something goes wrong or all has been seen.
[[nodiscard]] report run(const options& chosen, const model& body);

/// Whether nothing goes wrong; prints what does, step by step, and how to repeat it. False as well if a limit cut it
/// short.
[[nodiscard]] testing::AssertionResult holds(const options& chosen, const model& body);
[[nodiscard]] testing::AssertionResult holds(const model& body);

/// Whether something does go wrong, with `what` in its text: for a variant that is broken on purpose.
[[nodiscard]] testing::AssertionResult fails(const options& chosen, const model& body, const char* what);
[[nodiscard]] testing::AssertionResult fails(const model& body, const char* what);

// ---- In a model ----

namespace detail {

/// What a thread does: in the model's heap.
struct work {
    work() = default;
    work(const work&) = delete;
    work& operator=(const work&) = delete;
    virtual ~work() = default;
    virtual void run() = 0;
};

template <class F>
struct work_of final : work {
    explicit work_of(F given) : does(std::move(given)) {}
    void run() override { does(); }
    F does;
};

}  // namespace detail

/// A thread of a model, which begins where it stands. Joined by its destructor, at the latest. A model has up to eight,
/// the body included.
class thread {
public:
    template <class F>
        requires std::invocable<F&>
    explicit thread(F work) : id_(start(std::make_unique<detail::work_of<F>>(std::move(work)))) {}
    thread(const thread&) = delete;
    thread& operator=(const thread&) = delete;
    ~thread() { join(); }

    void join() noexcept;

private:
    static unsigned start(std::unique_ptr<detail::work> does);
    unsigned id_;
    bool is_joined_ = false;
};

/// Ends the exploration with `what` unless `is_true`.
void check(bool is_true, const char* what) noexcept;

/// Runs `work` outside of the model: its memory is the program's, and nothing that it does is a step. For a test that
/// gathers what its executions came to.
template <class F>
void outside(F work) {
    const detail::pause_exploring guard;
    work();
}

/// Gives each thread of a model its own value of a pointer that is thread_local; of other thread-locals they share one.
/// Outside of models, before the first that needs it.
void separate(void* variable) noexcept;

/// Which thread of the model this is; the body is 0.
[[nodiscard]] unsigned thread_id() noexcept;

/// What the object is called in traces. The string must stay.
void name(const void* object, const char* text) noexcept;

/// Where a thread sleeps in a model: an eventfd, in short. set() ends one wait(), the one in progress or the next.
class event {
public:
    /// `orders`: whether who leaves wait() sees what was done before set(). A kernel does that; without it, a model
    /// asks more of the memory orders of what it explores.
    explicit event(bool orders = true) noexcept : orders_(orders) {
        detail::construct(index_, detail::kind::event, this, sizeof(*this));
    }
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event() { detail::destroy(index_, detail::kind::event, this); }

    void set() noexcept { set(orders_); }
    void set(bool orders) noexcept { detail::set_event(index_, this, orders); }
    void wait() noexcept { detail::wait_event(index_, this); }

private:
    detail::object_index index_ = 0;
    const bool orders_;
};

/// Plain data of a model, of which each access is seen. Elsewhere, what the compiler instruments is seen anyway, and
/// that is nearly all: but Clang 19 leaves out members of a local variable where it finds, wrongly, that no other
/// thread can know them (llvm#132739), and GCC 12 leaves out std::memcpy().
template <class T>
class cell {
public:
    explicit cell(T value = T()) : value_(std::move(value)) {}

    [[nodiscard]] T read() const noexcept {
        detail::cell_access(&value_, sizeof(T), false);
        return value_;
    }
    void write(T value) noexcept {
        detail::cell_access(&value_, sizeof(T), true);
        value_ = std::move(value);
    }

private:
    T value_;
};

/// A member or base of what must be destroyed exactly once, and not be used afterwards. In the heap that is checked
/// anyway; this is for storage that is used again, and for what lies elsewhere.
class tracked {
public:
    tracked() noexcept { detail::construct(index_, detail::kind::tracked, this, sizeof(*this)); }
    tracked(const tracked&) noexcept : tracked() {}
    tracked& operator=(const tracked&) noexcept { return *this; }
    ~tracked() { detail::destroy(index_, detail::kind::tracked, this); }

    /// Fails if it is not alive.
    void touch() const noexcept { detail::touch(index_, this); }

private:
    mutable detail::object_index index_ = 0;
};

}  // namespace explore
