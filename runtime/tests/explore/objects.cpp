// SPDX-License-Identifier: MIT
// The objects of a model: their lifetimes, locks, conditions and events. Atomics are in memory_model.cpp.
#include <algorithm>
#include <array>
#include <cstring>

#include "explore/engine.hpp"

namespace explore::detail {

object& engine::make(kind what, const void* address, std::uint64_t value) {
    if (object_count_ == objects_.size()) objects_.emplace_back();
    object& made = objects_[object_count_++];
    made.what = what;
    made.address = address;
    made.number = ++numbers_[static_cast<std::size_t>(what)];
    made.is_alive = true;
    made.born_by = no_thread;
    made.born_at = 0;
    made.used = {};
    made.writer.reset();
    made.readers = {};
    made.stores.clear();
    made.stores.push_back({value, no_thread, 0, {}, {}});
    made.oldest_for_seq_cst = 0;
    made.has_mixed_stores = false;
    made.relaxed_loads.clear();
    made.owner = no_thread;
    made.released = {};
    made.order = {};
    made.waiters.clear();
    made.is_set = false;
    return made;
}

void engine::construct(object_index& index, kind what, const void* address, std::size_t size, std::uint64_t value) {
    object& made = make(what, address, value);
    index = static_cast<object_index>(object_count_);
    thread_state& self = me();
    made.born_by = self.id;
    made.born_at = self.seen[self.id];
    made.stores[0].thread = self.id;
    made.stores[0].when = made.born_at;
    races_.forget(address, size);
}

void engine::destroy(object_index& index, kind what, const void* address) {
    object& gone = use(index, what, address);
    thread_state& self = me();
    for (unsigned t = 0; t < thread_count_; ++t) {
        if (self.seen.covers(t, gone.used[t])) continue;
        note("destroys", index, nullptr);
        fail("a data race: " + name_of(gone) + " is destroyed without synchronization after its use by thread " +
             std::to_string(t));
    }
    if (what == kind::mutex && gone.owner != no_thread) fail(name_of(gone) + " is destroyed while it is locked");
    if (!gone.waiters.empty()) fail(name_of(gone) + " is destroyed while a thread sleeps on it");
    gone.is_alive = false;
}

/// Finds the object's record. An object that is older than the execution (a static, or one of the test) gets a record
/// now, with its initial value.
void engine::find(object_index& index, kind what, const void* address, const atomic_ref* initial) {
    if (index != 0 && index <= object_count_ && at(index).address == address && at(index).what == what) return;
    if (heap_.holds(address)) {
        check_memory(address, 1, "an atomic or a lock");
        fail("an atomic or a lock is used that was never constructed");
    }
    if (is_on_a_stack(address)) fail("an atomic or a lock on a stack is used after its lifetime");
    std::uint64_t value = 0;
    if (initial != nullptr) std::memcpy(&value, initial->value, initial->size);
    make(what, address, value);
    index = static_cast<object_index>(object_count_);
}

/// Returns the object's record. Fails the execution if the thread must not use the object.
object& engine::use(object_index& index, kind what, const void* address, const atomic_ref* initial) {
    find(index, what, address, initial);
    object& it = at(index);
    if (!it.is_alive) {
        note("uses", index, me().code);
        fail(name_of(it) + " is used after its destruction");
    }
    if (heap_.holds(address)) check_memory(address, 1, "an atomic or a lock");
    if (it.born_by != no_thread && !me().seen.covers(it.born_by, it.born_at)) {
        note("uses", index, me().code);
        fail("a data race: " + name_of(it) + " is used by thread " + std::to_string(me().id) +
             ", without synchronization after its construction by thread " + std::to_string(it.born_by));
    }
    it.used.set(me().id, me().seen[me().id]);
    return it;
}

void engine::check_memory(const void* address, std::size_t size, const char* what) {
    switch (heap_.state_of(address, size)) {
    case heap::state::live: return;
    case heap::state::freed: fail(std::string("a use of freed memory: ") + what);
    case heap::state::outside: fail(std::string("a use of memory outside of any block: ") + what);
    }
}

bool engine::is_on_a_stack(const void* address) const {
    return std::ranges::any_of(fibers_, [&](const fiber& one) { return one.holds(address); });
}

std::string engine::name_of(const object& it) const {
    if (const char* const text = given_name(it.address)) return text;
    constexpr std::array names{"atomic ", "mutex ", "condition ", "event ", "tracked "};
    return names[static_cast<std::size_t>(it.what)] + std::to_string(it.number);
}

void engine::name(const void* address, const char* text) { given_names_.emplace_back(address, text); }

const char* engine::given_name(const void* address) const {
    const auto place = std::ranges::find(given_names_, address, &std::pair<const void*, const char*>::first);
    return place == given_names_.end() ? nullptr : place->second;
}

/// Begins a step that accesses an object. Other threads may run before it.
object& engine::begin(object_index& index, kind what, const void* address, access how, const void* code,
                      const atomic_ref* initial) {
    find(index, what, address, initial);
    step(pending::step, index, code);
    object& it = use(index, what, address, initial);
    conflict(it, how == access::writes || (how == access::reads_in_order && it.has_mixed_stores));
    thread_state& self = me();
    self.seen.tick(self.id);
    return it;
}

void engine::release_to(object& it) { it.released.join(me().seen); }
void engine::acquire_from(const object& it) { me().seen.join(it.released); }

// ---- Locks ----

void engine::lock(object_index& mutex, const void* address, const void* code) {
    if (use(mutex, kind::mutex, address).owner == me().id)
        fail(name_of(at(mutex)) + " is locked twice by the same thread");
    step(pending::lock, mutex, code);
    take(mutex, address, code);
}

/// Completes lock(): the mutex is free, and this thread was chosen to lock it.
void engine::take(object_index& mutex, const void* address, const void* code) {
    object& it = use(mutex, kind::mutex, address);
    conflict(it, true);
    thread_state& self = me();
    it.owner = self.id;
    acquire_from(it);
    self.order.join(it.order);
    self.seen.tick(self.id);
    note("locks", mutex, code);
}

bool engine::try_lock(object_index& mutex, const void* address, const void* code) {
    object& it = begin(mutex, kind::mutex, address, access::writes, code);
    const bool is_taken = it.owner == no_thread;
    if (is_taken) {
        it.owner = me().id;
        acquire_from(it);
        me().order.join(it.order);
    }
    note("tries to lock", mutex, code);
    note_value(is_taken);
    return is_taken;
}

/// An unlock is not a step of its own: it commutes with all operations that other threads can make before it. The only
/// exception is a try_lock() on this mutex, which fails as it would have failed one step earlier.
void engine::unlock(object_index& mutex, const void* address, const void* code) {
    object& it = use(mutex, kind::mutex, address);
    thread_state& self = me();
    if (it.owner != self.id) fail(name_of(it) + " is unlocked by a thread that does not hold it");
    it.owner = no_thread;
    release_to(it);
    it.order = self.order;
    self.seen.tick(self.id);
    ++changes_;
    note("unlocks", mutex, code);
}

// ---- Conditions and events ----

bool engine::wait(const condition_ref& ref, bool is_timed, const void* code) {
    thread_state& self = me();
    object& it = begin(ref.index, kind::condition, ref.address, access::writes, code);
    object& held = use(ref.mutex, kind::mutex, ref.mutex_address);
    if (held.owner != self.id) fail("a wait on " + name_of(it) + " without its mutex");
    if (spurious_wakeups_ < options_.spurious_wakeups && choices_->choose_value(2) == 1) {
        ++spurious_wakeups_;
        note("wakes up spuriously", ref.index, code);
        unlock(ref.mutex, ref.mutex_address, code);
        lock(ref.mutex, ref.mutex_address, code);
        return true;
    }
    note("waits", ref.index, code);
    held.owner = no_thread;
    release_to(held);
    held.order = self.order;
    self.seen.tick(self.id);
    ++changes_;
    it.waiters.push_back(self.id);
    self.is_timed = is_timed;
    self.takes_again = ref.mutex;

    step(pending::notification, ref.index, code);
    const auto place = std::ranges::find(it.waiters, self.id);
    const bool is_notified = place == it.waiters.end();
    if (!is_notified) {
        it.waiters.erase(place);
        conflict(it, true);
        note("times out", ref.index, code);
    }
    self.is_timed = false;
    take(ref.mutex, ref.mutex_address, code);
    return is_notified;
}

void engine::notify(object_index& condition, const void* address, bool all, const void* code) {
    object& it = begin(condition, kind::condition, address, access::writes, code);
    note(all ? "notifies all" : "notifies one", condition, code);
    ++changes_;
    while (!it.waiters.empty()) {
        const auto count = static_cast<unsigned>(it.waiters.size());
        const unsigned which = !all && count > 1 ? choices_->choose_value(count) : 0;
        thread_state& woken = threads_[it.waiters[which]];
        it.waiters.erase(it.waiters.begin() + which);
        ready_to_lock(woken);
        woken.order.join(me().order);
        if (!all) break;
    }
}

void engine::set_event(object_index& event, const void* address, bool orders, const void* code) {
    object& it = begin(event, kind::event, address, access::writes, code);
    it.is_set = true;
    if (orders) release_to(it);
    ++changes_;
    note("sets", event, code);
    me().seen.tick(me().id);
}

void engine::wait_event(object_index& event, const void* address, const void* code) {
    use(event, kind::event, address);
    note("starts to wait for", event, code);
    step(pending::event, event, code);
    object& it = use(event, kind::event, address);
    conflict(it, true);
    it.is_set = false;
    acquire_from(it);
    me().seen.tick(me().id);
    note("is woken by", event, code);
}

void engine::touch(object_index& tracked, const void* address, const void* code) {
    me().code = code;
    use(tracked, kind::tracked, address);
}

}  // namespace explore::detail
