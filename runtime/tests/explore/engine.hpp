// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "explore/choices.hpp"
#include "explore/explore.hpp"
#include "explore/fiber.hpp"
#include "explore/heap.hpp"
#include "explore/operations.hpp"
#include "explore/races.hpp"
#include "explore/trace.hpp"
#include "explore/vector_clock.hpp"

namespace explore::detail {

/// A store to an atomic. object::stores contains all stores to an atomic in their order.
struct store_record {
    std::uint64_t value;
    unsigned thread;
    stamp when;
    /// The clock that an acquiring load of this store joins. A release store starts it, read-modify-writes continue it
    /// (a release sequence), any other store ends it.
    vector_clock released;
    /// By thread: when the thread first read this store, or 0. A thread that knows of such a read reads no older store.
    std::array<stamp, max_threads> first_read;
};

/// A relaxed load. A later store may add its value to the load's alternatives.
struct relaxed_load {
    unsigned thread;
    stamp when;
    choices::position choice;
    std::uint64_t value;
};

/// For the reduction: a step that accessed an object, and all steps that precede it by a chain of conflicts.
struct last_access {
    choices::position step;
    unsigned thread;
    vector_clock order;
};

/// State of an atomic, a mutex or another object in the running execution.
struct object {
    kind what;
    const void* address;
    unsigned number;
    bool is_alive;
    unsigned born_by;
    stamp born_at;
    vector_clock used;  ///< by thread: its last operation

    std::optional<last_access> writer;
    std::array<std::optional<last_access>, max_threads> readers;  ///< since the writer

    // Members of an atomic.
    std::vector<store_record> stores;
    std::size_t oldest_for_seq_cst;  ///< newest store that a seq_cst operation accessed; later ones read no older store
    bool has_mixed_stores;           ///< at least one store is not seq_cst
    std::vector<relaxed_load> relaxed_loads;

    // Members of a mutex, a condition or an event.
    unsigned owner;
    vector_clock released;
    vector_clock order;
    std::vector<unsigned> waiters;
    bool is_set;
};

/// Runs the executions of a model: schedules its threads, and implements the operations of operations.hpp.
class engine {
public:
    engine() noexcept = default;

    report explore(const options& chosen, const model& body);

    [[nodiscard]] bool is_exploring() const noexcept { return current_ != nullptr && !is_inside_; }
    void pause(bool is_paused) noexcept { is_inside_ = is_paused; }

    // ---- Called on the threads of a model by the functions of operations.hpp. `code` is a return address. ----

    void construct(object_index& index, kind what, const void* address, std::size_t size, std::uint64_t value);
    void destroy(object_index& index, kind what, const void* address);
    std::uint64_t load(const atomic_ref& it, std::memory_order order, const void* code);
    void store(const atomic_ref& it, std::uint64_t value, std::memory_order order, const void* code);
    std::uint64_t modify(const atomic_ref& it, arithmetic how, std::uint64_t operand, std::memory_order order,
                         const void* code);
    bool compare_exchange(const atomic_ref& it, std::uint64_t& expected, std::uint64_t desired,
                          std::memory_order success, std::memory_order failure, bool is_weak, const void* code);
    void lock(object_index& mutex, const void* address, const void* code);
    bool try_lock(object_index& mutex, const void* address, const void* code);
    void unlock(object_index& mutex, const void* address, const void* code);
    bool wait(const condition_ref& it, bool is_timed, const void* code);
    void notify(object_index& condition, const void* address, bool all, const void* code);
    void set_event(object_index& event, const void* address, bool orders, const void* code);
    void wait_event(object_index& event, const void* address, const void* code);
    void touch(object_index& tracked, const void* address, const void* code);
    void plain_access(const void* address, std::size_t size, bool is_write, const void* code);
    void meet(const void* address, bool acquires, bool releases);
    unsigned start_thread(work* does, const void* code);
    void join_thread(unsigned id, const void* code);
    void yield(const void* code);
    void name(const void* address, const char* text);
    [[nodiscard]] unsigned thread_id() const noexcept;
    void* allocate(std::size_t size, std::size_t alignment, const void* code);
    void deallocate(void* address, const void* code);
    [[nodiscard]] bool owns(const void* address) const noexcept { return heap_.holds(address); }
    void enter_function(const void* code) noexcept;
    void leave_function() noexcept;
    [[noreturn]] void fail(std::string what);
    void crash(const char* what);
    void fail_check(const char* what, const void* code);

    /// Marks a scope in which the engine runs on a thread of the model. Its memory accesses and allocations are not the
    /// model's.
    class inside {
    public:
        explicit inside(engine& owner) noexcept : owner_(owner) { owner_.is_inside_ = true; }
        inside(const inside&) = delete;
        inside& operator=(const inside&) = delete;
        ~inside() { owner_.is_inside_ = false; }

    private:
        engine& owner_;
    };

private:
    /// The kind of a thread's next operation, as far as it decides whether the thread can run.
    enum class pending : std::uint8_t { step, lock, join, notification, event, change, nothing };

    /// `reads_in_order`: a seq_cst load. It limits how old a store the next seq_cst load may read.
    enum class access : std::uint8_t { reads, reads_in_order, writes };

    struct thread_state {
        unsigned id;
        fiber* stack;
        work* does;  // null for the body
        pending next;
        object_index waits_for;
        object_index takes_again;  // the mutex to lock after a notification
        unsigned joins;
        bool is_timed;
        bool is_finished;
        bool reads_newest;                   // set after it has spun without a change by another thread
        std::uint64_t changes_seen;          // value of changes_ when it yielded
        vector_clock seen;                   // happens-before
        vector_clock order;                  // conflicts, for the reduction
        const void* code;                    // return address of its operation
        std::array<const void*, 256> calls;  // return addresses of its active functions
        std::size_t call_depth;
    };

    struct event_note {
        unsigned thread;
        const char* what;
        object_index object;
        int order;  // -1 for none
        bool has_value;
        std::uint64_t value;
        const char* remark;
        std::array<const void*, 4> code;
    };

    void run_once(const model& body);
    void end_execution();
    static void thread_entry();
    void run_thread();

    // ---- Scheduling ----
    [[nodiscard]] bool can_go_on(const thread_state& thread) const;
    [[nodiscard]] thread_set enabled() const;
    void let_time_pass();
    static void ready_to_lock(thread_state& thread) noexcept;
    void dispatch();
    void step(pending next, object_index object, const void* code);
    void switch_to(fiber& to);
    [[noreturn]] void report_deadlock();
    [[noreturn]] void stop();
    [[noreturn]] void discard();
    void complain(std::string what);

    // ---- Objects (objects.cpp) ----
    object& make(kind what, const void* address, std::uint64_t value);
    void find(object_index& index, kind what, const void* address, const atomic_ref* initial);
    object& use(object_index& index, kind what, const void* address, const atomic_ref* initial = nullptr);
    object& at(object_index index) { return objects_[index - 1]; }
    [[nodiscard]] std::string name_of(const object& it) const;
    [[nodiscard]] const char* given_name(const void* address) const;
    [[nodiscard]] event_record told(const event_note& one) const;
    [[nodiscard]] std::string describe(const thread_state& thread) const;
    void check_memory(const void* address, std::size_t size, const char* what);
    object& begin(object_index& index, kind what, const void* address, access how, const void* code,
                  const atomic_ref* initial = nullptr);
    void conflict(object& it, bool is_write);
    void take(object_index& mutex, const void* address, const void* code);

    // ---- The memory model (memory_model.cpp) ----
    [[nodiscard]] std::size_t oldest_readable(const object& it, bool is_seq_cst) const;
    std::uint64_t read(object& it, std::size_t which, std::memory_order order);
    void write(object& it, std::uint64_t value, std::memory_order order, bool is_modification);
    [[nodiscard]] std::optional<std::uint64_t> read_early(object& it, object_index index, std::size_t& age);
    void keep_promises(object& it, std::uint64_t value);
    void break_promises(const object& it);
    void release_to(object& it);
    void acquire_from(const object& it);

    void note(const char* what, object_index object, const void* code, int order = -1);
    void note_value(std::uint64_t value, const char* remark = nullptr);
    [[nodiscard]] thread_state& me() { return *current_; }
    [[nodiscard]] std::vector<const void*> code_here(const void* code) const;
    [[nodiscard]] bool is_on_a_stack(const void* address) const;

    options options_;
    std::unique_ptr<choices> choices_;
    const model* body_ = nullptr;
    fiber outside_;
    std::deque<fiber> fibers_;
    std::array<thread_state, max_threads> threads_{};
    unsigned thread_count_ = 0;
    thread_state* current_ = nullptr;
    bool is_inside_ = false;
    std::deque<object> objects_;
    std::size_t object_count_ = 0;
    std::array<unsigned, 5> numbers_{};  // by kind
    heap heap_;
    races races_;
    std::vector<event_note> notes_;
    std::vector<std::pair<const void*, const char*>> given_names_;
    std::uint64_t steps_ = 0;
    std::uint64_t changes_ = 0;
    // Loads that have read a value that is not stored yet. If the store is never made, the execution is impossible and
    // is discarded, together with any failure found meanwhile.
    struct promise {
        const object* of;
        std::uint64_t value;
        unsigned thread;
        stamp when;
    };
    std::vector<promise> promises_;
    unsigned early_reads_ = 0;
    std::string complaint_;
    unsigned stale_reads_ = 0;
    unsigned spurious_failures_ = 0;
    unsigned spurious_wakeups_ = 0;
    bool has_failed_ = false;
    std::string failure_;
    // Atomics that the compiler generates (shared_ptr, guards of statics). They are not explored, but they order other
    // accesses.
    struct meeting {
        const void* address;
        vector_clock clock;
    };
    std::vector<meeting> meetings_;
};

[[nodiscard]] engine& the_engine() noexcept;

/// Returns whether the address is in the heap of models.
[[nodiscard]] bool is_of_a_model(const void* address) noexcept;

}  // namespace explore::detail
