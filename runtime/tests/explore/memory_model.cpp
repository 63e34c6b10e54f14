// SPDX-License-Identifier: MIT
// The stores that loads may read, and the happens-before that results. explore.hpp lists the limits.
#include <algorithm>
#include <optional>

#include "explore/engine.hpp"

namespace explore::detail {
namespace {

bool acquires(std::memory_order order) noexcept {
    return order == std::memory_order_acquire || order == std::memory_order_consume ||
           order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

bool releases(std::memory_order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}

std::uint64_t cut(std::uint64_t value, unsigned size) noexcept {
    return size >= 8 ? value : value & ((std::uint64_t{1} << (size * 8)) - 1);
}

// The maximum number of stores among which a load chooses, so that choices::node can count them. Only a model that does
// not end has longer histories.
constexpr std::size_t most_readable = 16;

}  // namespace

std::uint64_t apply(arithmetic how, std::uint64_t value, std::uint64_t operand) noexcept {
    switch (how) {
    case arithmetic::exchange: return operand;
    case arithmetic::add: return value + operand;
    case arithmetic::subtract: return value - operand;
    case arithmetic::bit_and: return value & operand;
    case arithmetic::bit_or: return value | operand;
    case arithmetic::bit_xor: return value ^ operand;
    }
    return value;
}

/// Returns the index of the oldest store that the current thread may read. This is the newest store that the thread
/// knows of, because the store, or a read of the store, happens before the load.
std::size_t engine::oldest_readable(const object& it, bool is_seq_cst) const {
    const vector_clock& seen = current_->seen;
    std::size_t oldest = it.stores.size() - 1;
    for (; oldest > 0; --oldest) {
        const store_record& here = it.stores[oldest];
        if (here.thread == no_thread || seen.covers(here.thread, here.when)) break;
        bool is_known = false;
        for (unsigned t = 0; t < thread_count_ && !is_known; ++t) {
            is_known = here.first_read[t] != 0 && seen.covers(t, here.first_read[t]);
        }
        if (is_known) break;
    }
    return is_seq_cst ? std::max(oldest, it.oldest_for_seq_cst) : oldest;
}

std::uint64_t engine::read(object& it, std::size_t which, std::memory_order order) {
    thread_state& self = me();
    store_record& from = it.stores[which];
    if (from.first_read[self.id] == 0) from.first_read[self.id] = self.seen[self.id];
    if (acquires(order)) self.seen.join(from.released);
    if (order == std::memory_order_seq_cst) it.oldest_for_seq_cst = std::max(it.oldest_for_seq_cst, which);
    return from.value;
}

/// For a relaxed load: returns a value that is stored later, if this execution tries that. Otherwise sets `age` to the
/// store that the load reads, counted back from the newest.
std::optional<std::uint64_t> engine::read_early(object& it, object_index index, std::size_t& age) {
    thread_state& self = me();
    const bool may_be_early = early_reads_ < options_.early_reads;
    const auto chosen = choices_->choose_load(static_cast<unsigned>(age), may_be_early);
    age = chosen.which;
    if (!chosen.is_early) {
        const std::uint64_t value = it.stores[it.stores.size() - 1 - age].value;
        it.relaxed_loads.push_back({self.id, self.seen[self.id], choices_->last_choice(), value});
        return std::nullopt;
    }
    ++early_reads_;
    promises_.push_back({&it, chosen.value, self.id, self.seen[self.id]});
    note("loads", index, self.code, static_cast<int>(std::memory_order_relaxed));
    note_value(chosen.value, "early: stored later");
    return chosen.value;
}

/// Called for each store. Fulfills a promise if an early load has read this value, and offers the value to earlier
/// relaxed loads that could have read it.
void engine::keep_promises(object& it, std::uint64_t value) {
    const thread_state& self = me();
    for (const relaxed_load& load : it.relaxed_loads) {
        const bool is_ordered = load.thread == self.id || self.seen.covers(load.thread, load.when);
        if (!is_ordered && load.value != value) choices_->offer_early(load.choice, value);
    }
    for (std::size_t i = 0; i < promises_.size(); ++i) {
        const promise one = promises_[i];
        if (one.of != &it) continue;
        // The load happens before this store, and so before all later ones: it cannot have read any of them.
        if (one.thread == self.id || self.seen.covers(one.thread, one.when)) discard();
        if (one.value != value) continue;
        it.stores.back().first_read[one.thread] = one.when;
        promises_.erase(promises_.begin() + static_cast<std::ptrdiff_t>(i));
        break;
    }
    if (promises_.empty() && !complaint_.empty()) fail(complaint_);
}

/// Called when a thread accesses the object again after an early read. Coherence would require it to read the store
/// that is not made yet, so the execution is impossible.
void engine::break_promises(const object& it) {
    for (const promise& one : promises_) {
        if (one.of == &it && (one.thread == me().id || me().seen.covers(one.thread, one.when))) discard();
    }
}

void engine::write(object& it, std::uint64_t value, std::memory_order order, bool is_modification) {
    thread_state& self = me();
    store_record made{value, self.id, self.seen[self.id], {}, {}};
    if (is_modification) made.released = it.stores.back().released;
    if (releases(order)) made.released.join(self.seen);
    it.stores.push_back(made);
    if (options_.early_reads != 0) keep_promises(it, value);
    if (order == std::memory_order_seq_cst) {
        it.oldest_for_seq_cst = it.stores.size() - 1;
    } else {
        it.has_mixed_stores = true;
    }
    // The thread's later operations are not covered by the clock that it has released.
    self.seen.tick(self.id);
    ++changes_;
}

std::uint64_t engine::load(const atomic_ref& ref, std::memory_order order, const void* code) {
    if (order == std::memory_order_release || order == std::memory_order_acq_rel) fail("a load that releases");
    const bool is_seq_cst = order == std::memory_order_seq_cst;
    object& it =
        begin(ref.index, kind::atomic, ref.address, is_seq_cst ? access::reads_in_order : access::reads, code, &ref);
    thread_state& self = me();
    const std::size_t newest = it.stores.size() - 1;
    std::size_t readable = 1;
    if (!self.reads_newest && stale_reads_ < options_.stale_reads) {
        readable = std::min(newest - oldest_readable(it, is_seq_cst) + 1, most_readable);
    }
    break_promises(it);
    std::size_t age = 0;
    if (order == std::memory_order_relaxed && options_.early_reads != 0) {
        age = readable;
        if (const auto value = read_early(it, ref.index, age)) return *value;
    } else if (readable > 1) {
        age = choices_->choose_value(static_cast<unsigned>(readable));
    }
    if (age != 0) ++stale_reads_;
    const std::uint64_t value = read(it, newest - age, order);
    note("loads", ref.index, code, static_cast<int>(order));
    note_value(value, age != 0 ? "outdated" : nullptr);
    return value;
}

void engine::store(const atomic_ref& ref, std::uint64_t value, std::memory_order order, const void* code) {
    if (acquires(order) && order != std::memory_order_seq_cst) fail("a store that acquires");
    object& it = begin(ref.index, kind::atomic, ref.address, access::writes, code, &ref);
    write(it, value, order, false);
    note("stores", ref.index, code, static_cast<int>(order));
    note_value(value);
}

std::uint64_t engine::modify(const atomic_ref& ref, arithmetic how, std::uint64_t operand, std::memory_order order,
                             const void* code) {
    object& it = begin(ref.index, kind::atomic, ref.address, access::writes, code, &ref);
    break_promises(it);
    const std::uint64_t before = read(it, it.stores.size() - 1, order);
    const std::uint64_t after = cut(apply(how, before, operand), ref.size);
    write(it, after, order, true);
    constexpr const char* names[] = {"exchanges", "adds", "subtracts", "ands", "ors", "xors"};
    note(names[static_cast<std::size_t>(how)], ref.index, code, static_cast<int>(order));
    note_value(after);
    return before;
}

bool engine::compare_exchange(const atomic_ref& ref, std::uint64_t& expected, std::uint64_t desired,
                              std::memory_order success, std::memory_order failure, bool is_weak, const void* code) {
    if (releases(failure) && failure != std::memory_order_seq_cst) fail("a compare-exchange that releases on failure");
    object& it = begin(ref.index, kind::atomic, ref.address, access::writes, code, &ref);
    const std::size_t newest = it.stores.size() - 1;
    break_promises(it);
    const bool is_equal = it.stores[newest].value == expected;
    const bool is_spurious =
        is_equal && is_weak && spurious_failures_ < options_.spurious_failures && choices_->choose_value(2) == 1;
    if (is_equal && !is_spurious) {
        read(it, newest, success);
        write(it, desired, success, true);
        note("compares, exchanges", ref.index, code, static_cast<int>(success));
        note_value(desired);
        return true;
    }
    if (is_spurious) ++spurious_failures_;
    expected = read(it, newest, failure);
    me().seen.tick(me().id);
    note("compares", ref.index, code, static_cast<int>(failure));
    note_value(expected, is_spurious ? "equal, but fails spuriously" : "not equal");
    return false;
}

}  // namespace explore::detail
