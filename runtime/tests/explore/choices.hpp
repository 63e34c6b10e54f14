// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "explore/vector_clock.hpp"

namespace explore::detail {

/// One bit per thread.
using thread_set = std::uint32_t;
constexpr thread_set only(unsigned thread) noexcept { return thread_set{1} << thread; }

/// The path through the tree of choices that a model's executions make: which thread runs next, and which store a load
/// reads. The search is depth-first: an execution repeats the path up to its last open choice, takes the next
/// alternative there, and takes the default afterwards (continue with the same thread, read the newest store).
///
/// Two techniques keep the tree small:
///  - A bound on preemptions, which are switches away from a thread that could continue (CHESS, Musuvathi and Qadeer,
///    PLDI 2007).
///  - Partial-order reduction (Flanagan and Godefroid, POPL 2005): another thread is tried at a point only if one of
///    its later operations conflicts with the operation made there, see backtrack(). The preemption bound could exclude
///    this alternative, so the start of the block of steps is tried as well (Coons, Musuvathi and McKinley, OOPSLA
///    2013), as loom does.
class choices {
public:
    using position = std::size_t;

    struct bounds {
        unsigned preemptions;
        bool is_reduced;
    };

    explicit choices(bounds limits) noexcept : bounds_(limits) {}

    /// Draws each later execution at random, without a bound.
    void randomize(std::uint64_t seed);
    /// Makes the next execution repeat a path that text() returned.
    void replay(std::string_view path);

    // ---- During an execution ----

    /// Returns which of the `enabled` threads runs next. `previous` is the thread that ran last; a switch away from it
    /// while it is enabled is a preemption. `mark` identifies the threads' next operations: it must be the same in each
    /// repetition.
    [[nodiscard]] unsigned choose_thread(thread_set enabled, unsigned previous, std::uint32_t mark);
    /// Returns one of `count` alternatives; 0 is the default.
    [[nodiscard]] unsigned choose_value(unsigned count);

    /// The store that a relaxed load reads, as an index below `count`. If `may_be_early`, the load may instead read a
    /// value that is stored later, see offer_early().
    struct load_choice {
        unsigned which;
        bool is_early;
        std::uint64_t value;  ///< if is_early
    };
    [[nodiscard]] load_choice choose_load(unsigned count, bool may_be_early);
    /// Adds an alternative to the load that was chosen at `where`: it could read `value`, which is stored only now.
    /// Another execution tries it.
    void offer_early(position where, std::uint64_t value);
    /// Returns the position of the last choose_load().
    [[nodiscard]] position last_choice() const noexcept { return depth_ - 1; }

    /// Returns the position at which the current step was chosen.
    [[nodiscard]] position last_step() const noexcept { return last_step_; }
    /// `thread` is about to make an operation that conflicts with the step made at `where`. Another execution tries
    /// `thread` first there.
    void backtrack(position where, unsigned thread);

    /// Returns whether a repeated execution took another path than before: the model is not deterministic.
    [[nodiscard]] bool is_astray() const noexcept { return is_astray_; }

    // ---- Between executions ----

    /// Moves to the next path. Returns false if there is none.
    [[nodiscard]] bool next();
    /// Returns the choices of this execution that differ from the defaults. "12:t1 20:v2" means thread 1 at choice 12
    /// and store 2 at choice 20; "e" is an early value.
    [[nodiscard]] std::string text() const;

private:
    struct node {
        bool is_thread;
        std::uint8_t chosen = 0;
        std::uint8_t previous = 0;      // threads: the thread that ran last
        std::uint8_t count = 0;         // values: number of alternatives
        std::uint16_t preemptions = 0;  // threads: number made before this choice
        std::uint32_t mark = 0;
        thread_set enabled = 0;
        thread_set todo = 0;
        thread_set done = 0;
        // Loads: values that are stored later, found by earlier executions.
        bool may_be_early = false;
        std::uint8_t early_count = 0;
        std::array<std::uint64_t, 4> early = {};

        [[nodiscard]] unsigned usual() const noexcept;
        [[nodiscard]] bool preempts(unsigned thread) const noexcept;
    };
    enum class mode { depth_first, random, replay };

    node& append(node made);
    void add(node& at, thread_set threads) const noexcept;
    [[nodiscard]] bool draw(unsigned one_in);

    bounds bounds_;
    mode mode_ = mode::depth_first;
    std::vector<node> nodes_;
    position depth_ = 0;  // of the running execution
    position last_step_ = 0;
    unsigned preemptions_ = 0;
    bool is_astray_ = false;
    std::mt19937_64 random_;
    unsigned switch_one_in_ = 2;
    struct wanted {
        position where;
        char kind;  // 't', 'v', 'e'
        std::uint64_t chosen;
    };
    std::vector<wanted> wanted_;  // of a replay
};

}  // namespace explore::detail
