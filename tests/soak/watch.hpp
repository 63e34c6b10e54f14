// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

// What the soak observes: the operations in progress, counts, and failures.

namespace soak {

/// The layers under test.
enum class layer : unsigned char {
    tls,
    http1,
    https1,
    http2,
    https2,
    ws,
    wss,
    pipelined,
    multiplexed,
    pipelined_bodies,
    multiplexed_bodies,
    // of soak_files:
    contents,
    trees,
    changes,
    programs
};
inline constexpr std::size_t layer_count = 11;     // of traffic
inline constexpr std::size_t counted_layers = 15;  // all
[[nodiscard]] const char* name_of(layer which) noexcept;

/// How an operation of a client has ended. Failures are reported to the watch instead.
enum class outcome : unsigned char {
    done,     ///< all bytes were compared
    dropped,  ///< the client has dropped it
    excused,  ///< it failed, with a cause: the restart of a server, or a failure that it asked for
};

/// An operation in progress, of a client or of a server. If it makes no progress for the time limit of the watch, and
/// is not paused, the soak fails.
/// Thread safety: any thread.
class operation {
public:
    operation(layer of, const char* side, std::uint64_t id, std::string what);
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;
    ~operation();

    /// Sets the current step, a static text. This counts as progress.
    void doing(const char* step) noexcept;
    /// Counts transferred bytes.
    void moved(std::size_t bytes) noexcept;
    /// Begins or ends a pause, in which no progress is expected.
    void pause(bool begins) noexcept;
    /// Counts the end of the operation.
    void end(outcome how) noexcept;

    [[nodiscard]] layer of() const noexcept { return of_; }
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    /// Describes the operation for a dump.
    [[nodiscard]] std::string text() const;

private:
    friend class watch;

    const layer of_;
    const char* const side_;
    const std::uint64_t id_;
    const std::string what_;
    const std::uint64_t begun_;
    std::atomic<const char*> step_{"begins"};
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> last_;  // the tick of the last progress
    std::atomic<int> pauses_{0};
};

/// Observes all operations of the process on a thread of its own: prints their counts, and ends the process if one of
/// them has stopped or has failed. It counts its own ticks instead of reading the clock: if the process gets no
/// processor time, it gets no ticks either.
/// Thread safety: any thread.
class watch {
public:
    static constexpr std::chrono::milliseconds tick_length{100};

    struct limits {
        std::uint64_t stall_ticks = 50;
        bool keeps_going = false;  // count wrong results and continue
        bool is_child = false;     // print no progress
    };

    [[nodiscard]] static watch& get();

    void start(const limits& chosen);
    void stop();

    /// Describes the current episode, for messages: how to repeat it.
    void set_episode(std::string text);
    /// Sets the ports for the dump of their queues, and a function that asks the other process for its dump.
    void set_ports(std::vector<unsigned> ports);
    void set_other_dump(std::function<void()> ask);

    /// Reports a failure. Ends the process with a dump, unless the watch keeps going.
    void fail(const std::string& what);
    void fail(const operation& which, const std::string& what);
    [[nodiscard]] std::size_t failures() const noexcept { return failures_.load(); }

    /// Prints what all operations of this process do.
    void dump();

    [[nodiscard]] std::uint64_t tick() const noexcept { return tick_.load(std::memory_order_relaxed); }
    /// Returns the number of operations in progress.
    [[nodiscard]] std::size_t live();
    /// Counts an error for which the operation had an excuse, by its text.
    void excuse(layer of, const std::string& error);
    /// Prints the counts. `is_last` adds the table of excused errors.
    void print_counts(bool is_last);
    /// Returns how many operations are done.
    [[nodiscard]] std::uint64_t done() const noexcept;

private:
    friend class operation;

    struct counts {
        std::atomic<std::uint64_t> done{0};
        std::atomic<std::uint64_t> dropped{0};
        std::atomic<std::uint64_t> excused{0};
        std::atomic<std::uint64_t> bytes{0};
    };

    void run();
    void look_for_stalls();

    limits limits_;
    std::thread thread_;
    std::atomic<std::uint64_t> tick_{0};
    std::atomic<std::size_t> failures_{0};
    std::array<counts, counted_layers> counts_;
    std::chrono::steady_clock::time_point begun_;

    std::mutex lock_;
    std::condition_variable stops_;
    bool is_stopping_ = false;
    std::set<operation*> operations_;
    std::set<std::string> excused_kinds_;
    std::string episode_;
    std::vector<unsigned> ports_;
    std::function<void()> other_dump_;
};

}  // namespace soak
