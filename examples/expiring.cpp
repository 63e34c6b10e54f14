// SPDX-License-Identifier: MIT
// A cache that forgets: a delay_queue is its clock, and a broadcast tells whoever listens what has gone. A reader that
// does not keep up holds nobody up: it is told how much it has missed.
//     $ ./expiring
//     Ada is asked for, and stays longer
//     expired: Bob
//     expired: Cid
//     expired: Dora
//     expired: Ada
//     the slow reader has missed 2
//     the slow reader hears of Dora
//     the slow reader hears of Ada
#include <eddy/prelude.hpp>

#include <cstdio>
#include <map>
#include <optional>
#include <string>

namespace {

using namespace std::chrono_literals;
using farewells = eddy::sync::broadcast<std::string>;

/// Names, each of which is forgotten when nobody has asked for it for a while.
class cache {
public:
    void put(const std::string& name, std::chrono::milliseconds lifetime) {
        if (!ask_for(name, lifetime)) entries_.emplace(name, clock_.insert(name, lifetime));
    }

    /// Whether it is there. To ask for it lets it live longer.
    bool ask_for(const std::string& name, std::chrono::milliseconds lifetime) {
        const auto found = entries_.find(name);
        if (found == entries_.end()) return false;
        clock_.reset(found->second, lifetime);
        return true;
    }

    /// The next name that is forgotten, when its time has come; nothing if the cache is empty.
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

/// Keeps up, and so hears of each.
eddy::task<void> report(farewells::receiver gone) {
    while (auto name = co_await gone.recv()) std::printf("expired: %s\n", name->c_str());
}

/// Comes late: the channel has kept the newest for it, as many as it has room for.
eddy::task<void> catch_up(farewells::receiver gone) {
    for (;;) {
        const auto name = co_await gone.recv();
        if (name) {
            std::printf("the slow reader hears of %s\n", name->c_str());
        } else if (name.error().is_lagged()) {
            std::printf("the slow reader has missed %d\n", static_cast<int>(name.error().missed()));
        } else {
            co_return;  // the sender is gone, and all was heard
        }
    }
}

/// Forgets what is in the cache, and tells the receivers. Takes the sender over: when it ends, so does the channel.
eddy::task<void> forget_all(cache& names, farewells::sender gone) {
    while (auto name = co_await names.forget_next()) static_cast<void>(gone.send(*std::move(name)));
}

eddy::task<void> run_cache() {
    cache names;
    names.put("Ada", 50ms);
    names.put("Bob", 100ms);
    names.put("Cid", 150ms);
    names.put("Dora", 200ms);
    if (names.ask_for("Ada", 250ms)) std::puts("Ada is asked for, and stays longer");

    auto ends = farewells::channel(2);
    auto slow = ends.sender.subscribe();
    co_await eddy::join(forget_all(names, std::move(ends.sender)), report(std::move(ends.receiver)));
    co_await catch_up(std::move(slow));
}

}  // namespace

// The clock is paused: it stands still while anybody works, and jumps to the next deadline when all wait. So no name
// expires before Ada is asked for, however busy the machine is.
int main() { eddy::core::builder().start_paused(true).build().value().run(run_cache()); }
