// SPDX-License-Identifier: MIT
#include "explore/choices.hpp"

#include <algorithm>
#include <bit>
#include <sstream>
#include <stdexcept>

namespace explore::detail {
namespace {

unsigned nth_of(thread_set threads, unsigned n) noexcept {
    while (n-- > 0) threads &= threads - 1;
    return static_cast<unsigned>(std::countr_zero(threads));
}

}  // namespace

/// The default thread: the previous one if it can continue, or else the first enabled one.
unsigned choices::node::usual() const noexcept {
    return (enabled & only(previous)) != 0 ? previous : static_cast<unsigned>(std::countr_zero(enabled));
}

bool choices::node::preempts(unsigned thread) const noexcept {
    return thread != previous && (enabled & only(previous)) != 0;
}

void choices::randomize(std::uint64_t seed) {
    mode_ = mode::random;
    random_.seed(seed);
    nodes_.clear();
    static_cast<void>(next());
}

void choices::replay(std::string_view path) {
    mode_ = mode::replay;
    nodes_.clear();
    wanted_.clear();
    std::istringstream items{std::string(path)};
    for (std::string item; items >> item;) {
        const auto colon = item.find(':');
        if (colon == item.npos || colon + 2 > item.size())
            throw std::invalid_argument("explore: the path must have the form 12:t1 20:v2");
        wanted_.push_back({std::stoul(item.substr(0, colon)), item[colon + 1], std::stoull(item.substr(colon + 2))});
    }
}

bool choices::draw(unsigned one_in) { return random_() % one_in == 0; }

choices::node& choices::append(node made) {
    if (mode_ == mode::replay) {
        for (const wanted& one : wanted_) {
            if (one.where != nodes_.size()) continue;
            if (one.kind == 'e' && made.may_be_early) {
                made.early[0] = one.chosen;
                made.early_count = 1;
                made.chosen = made.count;
            } else if (one.kind == (made.is_thread ? 't' : 'v') &&
                       (made.is_thread ? (made.enabled >> one.chosen & 1) != 0 : one.chosen < made.count)) {
                made.chosen = static_cast<std::uint8_t>(one.chosen);
            } else {
                is_astray_ = true;
            }
        }
    }
    nodes_.push_back(made);
    return nodes_.back();
}

unsigned choices::choose_thread(thread_set enabled, unsigned previous, std::uint32_t mark) {
    if (depth_ == nodes_.size()) {
        node made{.is_thread = true,
                  .previous = static_cast<std::uint8_t>(previous),
                  .preemptions = static_cast<std::uint16_t>(preemptions_),
                  .mark = mark,
                  .enabled = enabled};
        made.chosen = static_cast<std::uint8_t>(made.usual());
        const bool may_stay = (enabled & only(previous)) != 0;
        if (mode_ == mode::random && draw(may_stay ? switch_one_in_ : 1)) {
            const auto n = static_cast<unsigned>(random_() % static_cast<unsigned>(std::popcount(enabled)));
            made.chosen = static_cast<std::uint8_t>(nth_of(enabled, n));
        }
        made.todo = only(made.chosen);
        if (!bounds_.is_reduced) add(made, enabled);
        append(made);
    }
    const node& here = nodes_[depth_];
    if (!here.is_thread || here.enabled != enabled || here.previous != previous || here.mark != mark) is_astray_ = true;
    last_step_ = depth_++;
    if (here.preempts(here.chosen)) ++preemptions_;
    return here.chosen;
}

unsigned choices::choose_value(unsigned count) {
    if (depth_ == nodes_.size()) {
        node made{.is_thread = false, .count = static_cast<std::uint8_t>(count)};
        if (mode_ == mode::random && draw(2)) made.chosen = static_cast<std::uint8_t>(random_() % count);
        append(made);
    }
    const node& here = nodes_[depth_++];
    if (here.is_thread || here.count != count) is_astray_ = true;
    return here.chosen;
}

choices::load_choice choices::choose_load(unsigned count, bool may_be_early) {
    if (depth_ == nodes_.size()) {
        node made{.is_thread = false, .count = static_cast<std::uint8_t>(count)};
        made.may_be_early = may_be_early;
        if (mode_ == mode::random && draw(2)) made.chosen = static_cast<std::uint8_t>(random_() % count);
        append(made);
    }
    const node& here = nodes_[depth_++];
    if (here.is_thread || here.count != count || here.may_be_early != may_be_early) is_astray_ = true;
    const bool is_early = here.chosen >= here.count;
    return {here.chosen, is_early, is_early ? here.early[here.chosen - here.count] : 0};
}

void choices::offer_early(position where, std::uint64_t value) {
    node& at = nodes_[where];
    if (mode_ != mode::depth_first || !at.may_be_early || at.early_count == at.early.size()) return;
    const auto known = at.early.begin() + at.early_count;
    if (std::find(at.early.begin(), known, value) == known) at.early[at.early_count++] = value;
}

/// Adds `threads` to the threads to try, as far as the preemption bound allows.
void choices::add(node& at, thread_set threads) const noexcept {
    for (thread_set left = threads & at.enabled; left != 0; left &= left - 1) {
        const auto thread = static_cast<unsigned>(std::countr_zero(left));
        if (at.preempts(thread) && at.preemptions >= bounds_.preemptions) continue;
        at.todo |= only(thread);
    }
}

void choices::backtrack(position where, unsigned thread) {
    if (mode_ != mode::depth_first || !bounds_.is_reduced) return;
    // If the thread could not run here, any other thread may be the one that enables it.
    const auto mark = [&](node& at) { add(at, (at.enabled & only(thread)) != 0 ? only(thread) : at.enabled); };
    mark(nodes_[where]);
    // Find the start of the block of steps that the same thread made: a switch there may cost no preemption.
    position start = where;
    for (position i = where; i > 0; --i) {
        if (!nodes_[i - 1].is_thread) continue;
        if (nodes_[i - 1].chosen != nodes_[start].chosen) break;
        start = i - 1;
    }
    if (start != where) mark(nodes_[start]);
}

bool choices::next() {
    depth_ = 0;
    last_step_ = 0;
    preemptions_ = 0;
    if (mode_ == mode::replay) return false;
    if (mode_ == mode::random) {
        nodes_.clear();
        switch_one_in_ = 1u << (1 + random_() % 5);  // some bugs need many switches, others few
        return true;
    }
    while (!nodes_.empty()) {
        node& last = nodes_.back();
        if (last.is_thread) {
            last.done |= only(last.chosen);
            if (const thread_set left = last.todo & ~last.done; left != 0) {
                last.chosen = static_cast<std::uint8_t>(std::countr_zero(left));
                return true;
            }
        } else if (last.chosen + 1u < last.count + last.early_count) {
            ++last.chosen;
            return true;
        }
        nodes_.pop_back();
    }
    return false;
}

std::string choices::text() const {
    std::string text;
    for (position i = 0; i < depth_; ++i) {
        const node& here = nodes_[i];
        if (here.chosen == (here.is_thread ? here.usual() : 0)) continue;
        if (!text.empty()) text += ' ';
        if (!here.is_thread && here.chosen >= here.count) {
            text += std::to_string(i) + ":e" + std::to_string(here.early[here.chosen - here.count]);
        } else {
            text += std::to_string(i) + (here.is_thread ? ":t" : ":v") + std::to_string(here.chosen);
        }
    }
    return text;
}

}  // namespace explore::detail
