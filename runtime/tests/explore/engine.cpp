// SPDX-License-Identifier: MIT
#include "explore/engine.hpp"

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

namespace explore::detail {
namespace {

constexpr std::size_t stack_size = 256 * 1024;

// The engine is created on first use and never destroyed. operator new and operator delete read this pointer from the
// start to the end of the process, so it may be null.
constinit engine* the_one = nullptr;

}  // namespace

bool is_exploring() noexcept { return the_one != nullptr && the_one->is_exploring(); }

engine& the_engine() noexcept {
    if (the_one == nullptr) the_one = new engine;
    return *the_one;
}

bool is_of_a_model(const void* address) noexcept { return the_one != nullptr && the_one->owns(address); }

namespace {

/// While an instance exists, SIGABRT and SIGSEGV on a thread of a model (an assertion, a null pointer) end the
/// execution instead of the program.
class crash_guard {
public:
    crash_guard() noexcept {
        struct sigaction action = {};
        action.sa_handler = [](int signal) {
            the_one->crash(signal == SIGABRT ? "abort(): an assertion, or an exception in a noexcept function"
                                             : "a crash: access to an invalid address");
            std::signal(signal, SIG_DFL);  // crash() returns only if the thread runs no code of a model
            std::raise(signal);
        };
        action.sa_flags = SA_NODEFER;
        sigaction(SIGABRT, &action, &former_[0]);
        sigaction(SIGSEGV, &action, &former_[1]);
    }
    crash_guard(const crash_guard&) = delete;
    crash_guard& operator=(const crash_guard&) = delete;
    ~crash_guard() {
        sigaction(SIGABRT, &former_[0], nullptr);
        sigaction(SIGSEGV, &former_[1], nullptr);
    }

private:
    struct sigaction former_[2];
};

}  // namespace

// ---- Executions ----

report engine::explore(const options& chosen, const model& body) {
    if (current_ != nullptr) std::abort();  // a model that starts an exploration
    options_ = chosen;
    choices_ = std::make_unique<choices>(choices::bounds{chosen.preemptions, chosen.is_reduced});
    const char* const path = std::getenv("EDDY_EXPLORE_PATH");
    if (path != nullptr) choices_->replay(path);

    const crash_guard guard;
    report result;
    const auto began = std::chrono::steady_clock::now();
    bool is_random = false;
    std::uint64_t random_left = path != nullptr ? 0 : chosen.random_executions;
    for (;;) {
        run_once(body);
        ++result.executions;
        if (has_failed_) {
            result.has_failed = true;
            result.what = failure_;
            result.path = choices_->text();
            for (const auto& one : notes_) result.events.push_back(told(one));
            return result;
        }
        const bool is_late = std::chrono::steady_clock::now() - began > chosen.time_limit;
        if (is_random) {
            if (random_left-- == 0 || is_late) return result;
            static_cast<void>(choices_->next());
            continue;
        }
        if (!choices_->next()) {
            result.is_complete = path == nullptr;
            if (random_left == 0) return result;
            is_random = true;
            choices_->randomize(chosen.seed);
            --random_left;
        } else if (result.executions >= chosen.max_executions || is_late) {
            return result;
        }
    }
}

void engine::run_once(const model& body) {
    heap_.clear();
    races_.clear();
    notes_.clear();
    meetings_.clear();
    given_names_.clear();
    promises_.clear();
    complaint_.clear();
    object_count_ = 0;
    numbers_ = {};
    steps_ = changes_ = 0;
    early_reads_ = stale_reads_ = spurious_failures_ = spurious_wakeups_ = 0;
    has_failed_ = false;
    thread_count_ = 0;

    is_inside_ = true;
    current_ = nullptr;
    body_ = &body;
    start_thread(nullptr, nullptr);
    current_ = &threads_[0];
    static_cast<void>(choices_->choose_thread(only(0), no_thread, 0));
    outside_.switch_to(*threads_[0].stack);
    // A failure leaves the threads suspended. Their objects are discarded with the model's heap.
    current_ = nullptr;
    is_inside_ = false;
    if (choices_->is_astray()) {
        has_failed_ = true;
        failure_ = "the model is not deterministic: it depends on something other than the explorer's choices";
    }
}

/// Called when the last thread has ended.
void engine::end_execution() {
    if (!promises_.empty()) discard();
    for (const auto& block : heap_.blocks()) {
        if (!block.is_live) continue;
        fail("a leak: " + std::to_string(block.size) + " bytes, allocated at " + call_site_of({block.allocated_at}));
    }
    for (std::size_t i = 0; i < object_count_; ++i) {
        if (objects_[i].what == kind::tracked && objects_[i].is_alive) {
            fail("a leak: " + name_of(objects_[i]) + " is still alive");
        }
    }
    stop();
}

void engine::thread_entry() { the_engine().run_thread(); }

void engine::run_thread() {
    thread_state& self = me();
    try {
        is_inside_ = false;
        if (self.does == nullptr) {
            (*body_)();
        } else {
            self.does->run();
            delete self.does;
        }
        is_inside_ = true;
    } catch (const std::exception& thrown) {
        is_inside_ = true;
        fail(std::string("an exception left a thread: ") + thrown.what());
    } catch (...) {
        is_inside_ = true;
        fail("an exception left a thread");
    }
    self.is_finished = true;
    self.next = pending::nothing;
    ++changes_;
    note("ends", 0, nullptr);
    dispatch();
    std::abort();  // a thread that has ended is never resumed
}

void engine::stop() {
    me().stack->switch_to(outside_);
    std::abort();
}

/// Ends an execution that is impossible.
void engine::discard() {
    is_inside_ = true;
    stop();
}

/// Records a failure after which the thread can continue: the execution may still turn out to be impossible.
void engine::complain(std::string what) {
    if (promises_.empty()) fail(std::move(what));
    if (complaint_.empty()) complaint_ = std::move(what);
}

void engine::fail(std::string what) {
    if (!promises_.empty()) discard();
    is_inside_ = true;
    has_failed_ = true;
    failure_ = std::move(what);
    stop();
}

void engine::crash(const char* what) {
    if (current_ == nullptr || is_inside_) return;  // a crash of the explorer itself
    is_inside_ = true;
    note("crashes", 0, nullptr);
    fail(what);
}

void engine::fail_check(const char* what, const void* code) {
    note("fails", 0, code);
    complain(std::string("check failed: ") + what);
}

// ---- Threads ----

unsigned engine::start_thread(work* does, const void* code) {
    if (thread_count_ == max_threads) fail("a model has at most eight threads");
    const unsigned id = thread_count_++;
    if (fibers_.size() <= id) fibers_.emplace_back(stack_size);
    thread_state& made = threads_[id];
    made.id = id;
    made.stack = &fibers_[id];
    made.stack->prepare(&thread_entry);
    made.does = does;
    made.next = pending::step;
    made.waits_for = 0;
    made.is_timed = made.is_finished = made.reads_newest = false;
    made.code = code;
    made.call_depth = 0;
    made.seen = {};
    made.order = {};
    if (current_ != nullptr) {
        note("starts thread", 0, code);
        note_value(id);
        made.seen = me().seen;
        made.order = me().order;
        me().seen.tick(me().id);
    }
    made.seen.tick(id);
    made.order.tick(id);
    return id;
}

void engine::join_thread(unsigned id, const void* code) {
    me().joins = id;
    step(pending::join, 0, code);
    me().seen.join(threads_[id].seen);
    me().order.join(threads_[id].order);
    note("joins thread", 0, code);
    note_value(id);
}

void engine::yield(const void* code) {
    thread_state& self = me();
    self.changes_seen = changes_;
    step(pending::change, 0, code);
    note("yields", 0, code);
}

unsigned engine::thread_id() const noexcept { return current_ == nullptr ? 0 : current_->id; }

// ---- Scheduling ----

bool engine::can_go_on(const thread_state& thread) const {
    switch (thread.next) {
    case pending::step: return true;
    case pending::lock: return objects_[thread.waits_for - 1].owner == no_thread;
    case pending::join: return threads_[thread.joins].is_finished;
    case pending::notification:
        return thread.is_timed && options_.early_timeouts && objects_[thread.takes_again - 1].owner == no_thread;
    case pending::event: return objects_[thread.waits_for - 1].is_set;
    case pending::change: return changes_ != thread.changes_seen;
    case pending::nothing: return false;
    }
    return false;
}

thread_set engine::enabled() const {
    thread_set set = 0;
    for (unsigned t = 0; t < thread_count_; ++t) {
        if (can_go_on(threads_[t])) set |= only(t);
    }
    return set;
}

/// Called when no thread can run. Lets one spinning thread look again, at the newest stores. If no thread spins, ends a
/// wait with a timeout.
void engine::let_time_pass() {
    for (unsigned t = 0; t < thread_count_; ++t) {
        thread_state& spinning = threads_[t];
        if (spinning.next != pending::change || spinning.reads_newest) continue;
        spinning.reads_newest = true;
        spinning.next = pending::step;
        return;
    }
    thread_set timed = 0;
    for (unsigned t = 0; t < thread_count_; ++t) {
        if (threads_[t].next == pending::notification && threads_[t].is_timed) timed |= only(t);
    }
    if (timed == 0) report_deadlock();
    auto which = std::popcount(timed) > 1 ? choices_->choose_value(static_cast<unsigned>(std::popcount(timed))) : 0;
    while (which-- > 0) timed &= timed - 1;
    ready_to_lock(threads_[static_cast<unsigned>(std::countr_zero(timed))]);
}

/// Ends the thread's wait on a condition: the thread locks the mutex next.
void engine::ready_to_lock(thread_state& thread) noexcept {
    thread.next = pending::lock;
    thread.waits_for = thread.takes_again;
}

/// Chooses the thread that runs next and switches to it. Returns when the current thread is chosen again.
void engine::dispatch() {
    if (++steps_ > options_.max_steps) fail("an endless loop: the execution takes too many steps");
    thread_state& self = me();
    thread_set set = enabled();
    while (set == 0) {
        if (std::all_of(threads_.begin(), threads_.begin() + thread_count_, [](auto& t) { return t.is_finished; })) {
            end_execution();
        }
        let_time_pass();
        set = enabled();
    }
    std::uint32_t mark = 0;
    for (unsigned t = 0; t < thread_count_; ++t) {
        mark = mark * 31 + threads_[t].waits_for * 8 + static_cast<std::uint32_t>(threads_[t].next);
    }
    const unsigned next = choices_->choose_thread(set, self.id, mark);
    if (choices_->is_astray()) stop();
    if (next == self.id) return;
    current_ = &threads_[next];
    self.stack->switch_to(*threads_[next].stack);
}

void engine::step(pending next, object_index object, const void* code) {
    thread_state& self = me();
    self.next = next;
    self.waits_for = object;
    self.code = code;
    dispatch();
    self.next = pending::step;
    if (changes_ != self.changes_seen) self.reads_newest = false;
}

void engine::report_deadlock() {
    std::string text = "a deadlock, or a lost wake-up:";
    for (unsigned t = 0; t < thread_count_; ++t) {
        if (!threads_[t].is_finished) text += " thread " + std::to_string(t) + ' ' + describe(threads_[t]) + ';';
    }
    text.pop_back();
    fail(std::move(text));
}

std::string engine::describe(const thread_state& thread) const {
    const auto object = [&] { return name_of(objects_[thread.waits_for - 1]); };
    switch (thread.next) {
    case pending::lock:
        return "waits for " + object() + " of thread " + std::to_string(objects_[thread.waits_for - 1].owner);
    case pending::join: return "waits for the end of thread " + std::to_string(thread.joins);
    case pending::notification:
    case pending::event: return "sleeps on " + object();
    case pending::change: return "spins";
    default: return "runs";
    }
}

/// Tells the partial-order reduction that the current thread accesses this object. Other executions try the opposite
/// order of this step and earlier steps that conflict with it.
void engine::conflict(object& it, bool is_write) {
    thread_state& self = me();
    const auto meet_one = [&](const std::optional<last_access>& other) {
        if (!other) return;
        // Skip the other step if it precedes this one by a chain of conflicts anyway.
        if (other->thread != self.id && !self.order.covers(other->thread, other->order[other->thread])) {
            choices_->backtrack(other->step, self.id);
        }
    };
    meet_one(it.writer);
    if (is_write) {
        for (const auto& reader : it.readers) meet_one(reader);
    }
    if (it.writer) self.order.join(it.writer->order);
    if (is_write) {
        for (const auto& reader : it.readers) {
            if (reader) self.order.join(reader->order);
        }
    }
    self.order.tick(self.id);
    const last_access made{choices_->last_step(), self.id, self.order};
    if (is_write) {
        it.readers = {};
        it.writer = made;
    } else {
        it.readers[self.id] = made;
    }
}

// ---- Notes ----

// The functions below run between steps and must not allocate.
void engine::enter_function(const void* code) noexcept {
    if (current_->call_depth < current_->calls.size()) current_->calls[current_->call_depth] = code;
    ++current_->call_depth;
}

void engine::leave_function() noexcept {
    // Functions that are left by an exception do not call this. So the depth may be too high, never too low.
    if (current_->call_depth > 0) --current_->call_depth;
}

/// Returns `code`, then the active calls of the current thread, innermost first.
std::vector<const void*> engine::code_here(const void* code) const {
    std::vector<const void*> all{code};
    for (std::size_t i = std::min(current_->call_depth, current_->calls.size()); i-- > 0;)
        all.push_back(current_->calls[i]);
    return all;
}

void engine::note(const char* what, object_index object, const void* code, int order) {
    event_note made{me().id, what, object, order, false, 0, nullptr, {code}};
    std::size_t depth = std::min(me().call_depth, me().calls.size());
    for (std::size_t i = 1; i < made.code.size() && depth > 0; ++i) made.code[i] = me().calls[--depth];
    notes_.push_back(made);
}

event_record engine::told(const event_note& one) const {
    event_record event;
    event.thread = one.thread;
    event.what = one.what;
    if (one.object != 0) event.object = name_of(objects_[one.object - 1]);
    event.has_order = one.order >= 0;
    event.order = static_cast<std::memory_order>(one.order);
    event.has_value = one.has_value;
    event.value = one.value;
    // The value may be a pointer to an object that the model has named.
    if (one.has_value && one.value != 0) event.named_value = given_name(reinterpret_cast<const void*>(one.value));
    if (one.remark != nullptr) event.remark = one.remark;
    std::ranges::copy_if(one.code, std::back_inserter(event.code), [](auto* code) { return code != nullptr; });
    return event;
}

void engine::note_value(std::uint64_t value, const char* remark) {
    notes_.back().has_value = true;
    notes_.back().value = value;
    notes_.back().remark = remark;
}

}  // namespace explore::detail
