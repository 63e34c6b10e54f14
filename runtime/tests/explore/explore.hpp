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

// A model checker for interleavings. It runs a small concurrent program, a *model*, many times: once for each order in
// which its threads can make their steps, and for each store that a load may read. It reports the first execution that
// fails.
//
//     TEST(ExploreMailbox, NothingIsLost) {
//         EXPECT_TRUE(explore::holds([] {
//             mailbox box;                                            // on eddy::detail::atomic and mutex
//             explore::thread sender([&] { box.put(1); });
//             explore::check(box.take() == 1, "the value arrives");
//         }));                                                        // the thread's destructor joins it
//     }
//
// A model must be deterministic: the same choices give the same execution. It must not use a clock, random numbers,
// comparisons of addresses, or state that outlives an execution. Use check() in it and not GoogleTest's macros: their
// records would be allocated in the model's heap.
//
// Failures that it finds:
//   - a check() that fails
//   - a data race on plain memory, on any byte that instrumented code accesses
//   - a use of freed memory, a double free, a leak
//   - an atomic or lock that is used before its construction or after its destruction
//   - a deadlock; a lost wake-up shows as one
//   - threads that spin forever
//   - an exception that leaves a thread
//
// The memory model: each atomic keeps the history of its stores. A load may read any store that its thread cannot know
// to be outdated. A thread knows that a store is outdated if a newer store, or a read of a newer store, happens before
// the load (vector clocks: release and acquire, release sequences, locks, thread start and join). A seq_cst operation
// also reads no store older than the newest one that an earlier seq_cst operation on the same object read or wrote.
//
// Limits of the memory model:
//   - A store is always the newest of its object. So two relaxed stores appear in the other order only where another
//     thread reads old values.
//   - A load reads no store that is made later (load buffering), unless options::early_reads allows it.
//   - Fences are an error (the library has none), and consume is treated as acquire.
//   - A compare-exchange that fails reads the newest store.
namespace explore {

/// Bounds and limits of an exploration.
struct options {
    /// Maximum number of preemptions per execution: switches away from a thread that could continue. Most bugs need one
    /// or two.
    unsigned preemptions = 2;
    /// Maximum number of loads per execution that read an outdated value. Most bugs need one.
    unsigned stale_reads = 2;
    /// Maximum number of relaxed loads per execution that read a value that another thread stores later. This is
    /// possible where nothing orders the load before the thread's next operations. Use it for code that must read a
    /// place before it hands the place to another thread. Expensive, and few models need it.
    unsigned early_reads = 0;
    /// Maximum number of weak compare-exchanges, and of waits on conditions, that fail or end spuriously per execution.
    unsigned spurious_failures = 0;
    unsigned spurious_wakeups = 0;
    /// Whether a wait with a timeout may time out while other threads can run.
    bool early_timeouts = false;
    /// Skips orders that differ only in steps that do not conflict. Only the explorer's own tests switch it off.
    bool is_reduced = true;
    std::uint64_t max_executions = 2'000'000;
    std::uint64_t max_steps = 5'000;  ///< per execution: more steps are reported as an endless loop
    std::chrono::seconds time_limit{120};
    /// Number of additional executions that are drawn at random, without the bounds.
    std::uint64_t random_executions = 0;
    std::uint64_t seed = 1;
};

/// Options for the stress tests: support::rounds() executions drawn at random, without a bound on preemptions, from
/// support::seed().
[[nodiscard]] options by_chance();

/// The result of an exploration.
struct report {
    bool has_failed = false;
    std::string what;                          ///< description of the failure
    std::string path;                          ///< value of EDDY_EXPLORE_PATH that repeats the failing execution
    std::vector<detail::event_record> events;  ///< of the failing execution
    std::uint64_t executions = 0;
    bool is_complete = false;  ///< no limit ended the exploration early
};

using model = std::function<void()>;

/// Explores until an execution fails or all have run.
[[nodiscard]] report run(const options& chosen, const model& body);

/// Succeeds if no execution fails. Otherwise the message shows the failing execution step by step, and how to
/// repeat it. Also fails if a limit ended the exploration early.
[[nodiscard]] testing::AssertionResult holds(const options& chosen, const model& body);
[[nodiscard]] testing::AssertionResult holds(const model& body);

/// Succeeds if an execution fails and the failure's text contains `what`. For variants that are broken on purpose.
[[nodiscard]] testing::AssertionResult fails(const options& chosen, const model& body, const char* what);
[[nodiscard]] testing::AssertionResult fails(const model& body, const char* what);

// ---- In a model ----

namespace detail {

/// The function of a thread. Allocated in the model's heap.
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

/// A thread of a model. It starts in the constructor; the destructor joins it. A model has at most eight threads,
/// including the body.
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

/// Fails the execution with `what` unless `is_true`.
void check(bool is_true, const char* what) noexcept;

/// Runs `work` outside of the model: it allocates from the program's heap, and its operations are not steps. For tests
/// that collect the results of the executions.
template <class F>
void outside(F work) {
    const detail::pause_exploring guard;
    work();
}

/// Gives each thread of a model its own value of a thread_local pointer. All other thread-locals are shared by the
/// threads of a model. Call it outside of models, before the first model that needs it.
void separate(void* variable) noexcept;

/// Returns the index of the running thread of the model. The thread that runs the body has index 0.
[[nodiscard]] unsigned thread_id() noexcept;

/// Sets the name of the object in traces. The string must outlive the execution.
void name(const void* object, const char* text) noexcept;

/// Models an eventfd: a thread waits until another one sets it. set() ends one wait(), the current or the next one.
class event {
public:
    /// `orders`: whether the writes before set() are visible after wait(). A kernel guarantees this. If `orders` is
    /// false, the model tests whether the explored code's own memory orders suffice.
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

/// Plain data of a model, with every access visible to the explorer. Elsewhere the compiler's instrumentation reports
/// nearly all accesses. Two exceptions: Clang 19 omits members of a local variable if it wrongly concludes that no
/// other thread can access them (llvm#132739), and GCC 12 omits std::memcpy().
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

/// A member or base of an object that must be destroyed exactly once and not be used afterwards. The explorer checks
/// heap objects anyway; this is for storage that is reused, and for objects outside of the heap.
class tracked {
public:
    tracked() noexcept { detail::construct(index_, detail::kind::tracked, this, sizeof(*this)); }
    tracked(const tracked&) noexcept : tracked() {}
    tracked& operator=(const tracked&) noexcept { return *this; }
    ~tracked() { detail::destroy(index_, detail::kind::tracked, this); }

    /// Fails the execution if the object is not alive.
    void touch() const noexcept { detail::touch(index_, this); }

private:
    mutable detail::object_index index_ = 0;
};

}  // namespace explore
