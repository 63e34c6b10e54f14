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

/// One bit a thread.
using thread_set = std::uint32_t;

/// The path through the tree of choices that the executions of a model make: which thread goes on, which store a load
/// reads. Depth first: an execution repeats the path up to its last open choice, takes the next alternative there, and
/// the default from then on (go on with the same thread, read the newest store).
///
/// Two things keep the tree small:
///  - A bound on preemptions, switches away from a thread that could have gone on (CHESS, Musuvathi and Qadeer, PLDI
///  2007).
///  - Partial-order reduction (Flanagan and Godefroid, POPL 2005): another thread is tried at a point only if an
///  operation
///    that it made later conflicts with the one made there, see backtrack(). The bound could hide that point's
///    alternative, so that the start of the block of steps is tried, too (Coons, Musuvathi, McKinley, OOPSLA 2013), as
///    loom does.
class choices {
public:
    using position = std::size_t;

    struct bounds {
        unsigned preemptions;
        bool is_reduced;
    };

    explicit choices(bounds limits) noexcept : bounds_(limits) {}

    /// From now on each execution is drawn at random, without a bound.
    void randomize(std::uint64_t seed);
    /// The next execution repeats a path that text() gave.
    void replay(std::string_view path);

    // ---- During an execution ----

    /// Which of the `enabled` threads goes on. `previous` is the one that went on last; to leave it while it is
    /// enabled is a preemption. `mark` stands for what the threads are about to do: the same in each repetition.
    [[nodiscard]] unsigned choose_thread(thread_set enabled, unsigned previous, std::uint32_t mark);
    /// One of `count` alternatives; 0 is the default.
    [[nodiscard]] unsigned choose_value(unsigned count);

    /// Which of `count` stores a relaxed load reads; or, if `may_be_early`, a value that is stored later, see
    /// offer_early().
    struct load_choice {
        unsigned which;
        bool is_early;
        std::uint64_t value;  ///< if it is early
    };
    [[nodiscard]] load_choice choose_load(unsigned count, bool may_be_early);
    /// The load that was chosen at `where` could read `value`, which is stored only now: another execution tries that.
    void offer_early(position where, std::uint64_t value);
    /// Where the last choose_load() was made.
    [[nodiscard]] position last_choice() const noexcept { return depth_ - 1; }

    /// Where the step that is being made was chosen.
    [[nodiscard]] position last_step() const noexcept { return last_step_; }
    /// `thread` is about to do what conflicts with the step made at `where`: try it there first.
    void backtrack(position where, unsigned thread);

    /// Whether a repeated execution went another way than before.
    [[nodiscard]] bool is_astray() const noexcept { return is_astray_; }

    // ---- Between executions ----

    /// Goes to the next path. False if there is none.
    [[nodiscard]] bool next();
    /// The choices of this execution other than the defaults: "12:t1 20:v2", thread 1 at choice 12, ... (e: an early
    /// value)
    [[nodiscard]] std::string text() const;

private:
    struct node {
        bool is_thread;
        std::uint8_t chosen = 0;
        std::uint8_t previous = 0;      // threads: who went on last
        std::uint8_t count = 0;         // values: how many
        std::uint16_t preemptions = 0;  // threads: made before this choice
        std::uint32_t mark = 0;
        thread_set enabled = 0;
        thread_set todo = 0;
        thread_set done = 0;
        // Loads: values that are stored later, as far as earlier executions have shown.
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
