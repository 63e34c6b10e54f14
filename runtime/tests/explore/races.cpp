// SPDX-License-Identifier: MIT
#include "explore/races.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace explore::detail {
namespace {

/// Calls `use` with each eight-byte granule that the range touches, and with the mask of the range's bytes in it.
template <class Use>
bool for_each_granule(const void* address, std::size_t size, Use use) {
    const auto begin = reinterpret_cast<std::uintptr_t>(address);
    const std::uintptr_t end = begin + size;
    for (std::uintptr_t granule = begin / 8; granule * 8 < end; ++granule) {
        unsigned mask = 0xff;
        if (granule * 8 < begin) mask &= 0xffu << (begin - granule * 8);
        if (granule * 8 + 8 > end) mask &= 0xffu >> (granule * 8 + 8 - end);
        if (!use(granule, static_cast<std::uint8_t>(mask))) return false;
    }
    return true;
}

}  // namespace

races::cell& races::cell_of(std::uintptr_t granule) {
    const std::size_t last = cells_.size() - 1;
    for (std::size_t i = (granule * 0x9e3779b97f4a7c15u >> 32) & last;; i = (i + 1) & last) {
        cell& here = cells_[i];
        if (here.execution != execution_) {
            if (++used_ * 2 > cells_.size()) {
                grow();
                return cell_of(granule);
            }
            here.granule = granule;
            here.execution = execution_;
            here.count = 0;
            return here;
        }
        if (here.granule == granule) return here;
    }
}

void races::grow() {
    std::vector<cell> old(cells_.size() * 2);
    old.swap(cells_);
    used_ = 0;
    for (const cell& kept : old) {
        if (kept.execution == execution_) cell_of(kept.granule) = kept;
    }
}

std::optional<races::access> races::note(cell& at, std::uint8_t mask, const access& made, const vector_clock& seen) {
    std::uint8_t kept = 0;
    for (std::uint8_t i = 0; i < at.count; ++i) {
        const record& old = at.records[i];
        if ((old.mask & mask) != 0 && (old.is_write || made.is_write) && old.thread != made.thread &&
            !seen.covers(old.thread, old.when)) {
            return access{old.thread, old.when, old.code, old.is_write};
        }
        // A write replaces the thread's earlier read or write, and a read replaces its earlier read. A thread that
        // knows of the later access also knows of the earlier one.
        const bool is_replaced =
            old.thread == made.thread && (old.mask & ~mask) == 0 && (made.is_write || !old.is_write);
        if (!is_replaced) at.records[kept++] = old;
    }
    at.count = kept;
    const record added{made.when, static_cast<std::uint8_t>(made.thread), mask, made.is_write, made.code};
    if (at.count < std::size(at.records)) {
        at.records[at.count++] = added;
    } else {
        at.records[at.next_victim++ % std::size(at.records)] = added;
    }
    return std::nullopt;
}

std::optional<races::access> races::note(const void* address, std::size_t size, access made, const vector_clock& seen) {
    std::optional<access> found;
    for_each_granule(address, size, [&](std::uintptr_t granule, std::uint8_t mask) {
        found = note(cell_of(granule), mask, made, seen);
        return !found;
    });
    return found;
}

void races::forget(const void* address, std::size_t size) {
    for_each_granule(address, size, [&](std::uintptr_t granule, std::uint8_t mask) {
        for (cell& here = cell_of(granule); record & old : here.records) old.mask &= static_cast<std::uint8_t>(~mask);
        return true;
    });
}

}  // namespace explore::detail
