// SPDX-License-Identifier: MIT
#pragma once

// Tutorial, chapter 4: keys with a lifetime.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <eddy/future/select.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace tutorial {

/// The data of all clients. Any thread may call its functions.
class store {
public:
    // docs: set
    /// Stores a value. With `lifetime`, the key is removed after that time.
    void set(const std::string& key, std::string value, std::optional<eddy::time::duration> lifetime = {}) {
        const std::scoped_lock lock(mutex_);
        erase(key);
        entry made{std::move(value), {}};
        if (lifetime) {
            made.deadline = eddy::time::clock::now() + *lifetime;
            deadlines_.emplace(*made.deadline, key);
            if (deadlines_.begin()->second == key) is_earlier_.notify_one();
        }
        entries_.emplace(key, std::move(made));
    }
    // docs: end

    std::optional<std::string> get(const std::string& key) const {
        const std::scoped_lock lock(mutex_);
        const auto found = entries_.find(key);
        if (found == entries_.end()) return std::nullopt;
        return found->second.value;
    }

    // docs: purge
    /// Removes keys when their time has come. Runs until it is cancelled.
    static eddy::task<void> purge(std::shared_ptr<store> data) {
        for (;;) {
            const auto next = data->remove_expired();
            if (next) {
                co_await eddy::select(eddy::time::sleep_until(*next), data->is_earlier_.notified());
            } else {
                co_await data->is_earlier_.notified();
            }
        }
    }
    // docs: end

private:
    struct entry {
        std::string value;
        std::optional<eddy::time::time_point> deadline;
    };

    void erase(const std::string& key) {
        const auto found = entries_.find(key);
        if (found == entries_.end()) return;
        if (found->second.deadline) deadlines_.erase({*found->second.deadline, key});
        entries_.erase(found);
    }

    /// Removes the expired keys. Returns the next deadline, or nullopt if no key has a lifetime.
    std::optional<eddy::time::time_point> remove_expired() {
        const std::scoped_lock lock(mutex_);
        while (!deadlines_.empty()) {
            const auto [deadline, key] = *deadlines_.begin();
            if (deadline > eddy::time::clock::now()) return deadline;
            erase(key);
        }
        return std::nullopt;
    }

    mutable std::mutex mutex_;
    std::map<std::string, entry> entries_;
    std::set<std::pair<eddy::time::time_point, std::string>> deadlines_;
    eddy::sync::notify is_earlier_;  // the first deadline is earlier than before
};

}  // namespace tutorial
