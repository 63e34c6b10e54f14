// SPDX-License-Identifier: MIT
// A cache whose entries expire: a delay_queue has the deadlines, a broadcast channel notifies subscribers.
// A slow subscriber does not delay the others: it is told how many values it missed.
//     $ ./expiring
//     Ada was requested: deadline extended
//     expired: Bob
//     expired: Cid
//     expired: Dora
//     expired: Ada
//     the slow subscriber missed 2
//     the slow subscriber received Dora
//     the slow subscriber received Ada
#include <eddy/prelude.hpp>

#include <cstdio>
#include <map>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;
using farewells = eddy::sync::broadcast<std::string>;

/// A set of names. A name expires if it is not requested within its lifetime.
class cache {
public:
    void put(const std::string& name, std::chrono::milliseconds lifetime) {
        if (!touch(name, lifetime)) entries_.emplace(name, clock_.insert(name, lifetime));
    }

    /// Returns whether the name is in the cache, and extends its lifetime.
    bool touch(const std::string& name, std::chrono::milliseconds lifetime) {
        const auto found = entries_.find(name);
        if (found == entries_.end()) return false;
        clock_.reset(found->second, lifetime);
        return true;
    }

    /// Waits until the next name expires, and returns it. Returns nullopt if the cache is empty.
    eddy::task<std::optional<std::string>> forget_next() {
        auto gone = co_await clock_.next();
        if (!gone) co_return std::nullopt;
        entries_.erase(gone->value);
        co_return std::move(gone->value);
    }

private:
    eddy::time::delay_queue<std::string> clock_;
    std::map<std::string, eddy::time::delay_key> entries_;
};

/// A subscriber that receives each name.
eddy::task<void> report(farewells::receiver gone) {
    while (auto name = co_await gone.recv()) std::printf("expired: %s\n", name->c_str());
}

/// A subscriber that reads late. The channel has kept the newest names, up to its capacity.
eddy::task<void> catch_up(farewells::receiver gone) {
    for (;;) {
        const auto name = co_await gone.recv();
        if (name) {
            std::printf("the slow subscriber received %s\n", name->c_str());
        } else if (name.error().is_lagged()) {
            std::printf("the slow subscriber missed %d\n", static_cast<int>(name.error().missed()));
        } else {
            co_return;  // the sender was destroyed, and all values were received
        }
    }
}

/// Removes names as they expire, and notifies the receivers. Owns the sender, so the channel closes when this ends.
eddy::task<void> forget_all(cache& names, farewells::sender gone) {
    while (auto name = co_await names.forget_next()) static_cast<void>(gone.send(*std::move(name)));
}

eddy::task<void> run_cache() {
    cache names;
    names.put("Ada", 50ms);
    names.put("Bob", 100ms);
    names.put("Cid", 150ms);
    names.put("Dora", 200ms);
    if (names.touch("Ada", 250ms)) std::puts("Ada was requested: deadline extended");

    auto ends = farewells::channel(2);
    auto slow = ends.sender.subscribe();
    co_await eddy::join(forget_all(names, std::move(ends.sender)), report(std::move(ends.receiver)));
    co_await catch_up(std::move(slow));
}

}  // namespace

// The clock is paused: it advances only when all tasks wait, to the next deadline. So no name expires before Ada is
// requested, even on a busy machine.
int main() { eddy::core::builder().start_paused(true).build().value().run(run_cache()); }
