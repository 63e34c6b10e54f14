// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <eddy/sync/notify.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/delay_queue.hpp>

#include "fault.hpp"
#include "value.hpp"

namespace mini_redis {

/// The keys, their values, and their expiries. Commands see an expired key as missing immediately; expire_keys() frees
/// its memory. There are no locks: commands do not wait, so each command runs atomically.
/// Thread safety: for one event loop.
class database {
public:
    /// Returns the value of a key, or null if there is none.
    [[nodiscard]] stored_value* find(std::string_view key);
    /// Returns the value of type T, or null if there is no value.
    /// Errors: wrong_type.
    template <class T>
    [[nodiscard]] std::expected<T*, fault> find_as(std::string_view key);
    /// Returns the value of type T. Creates it if there is none.
    /// Errors: wrong_type.
    template <class T>
    [[nodiscard]] std::expected<T*, fault> make_as(std::string_view key);

    /// Whether set() keeps the expiry of an existing key.
    enum class expiry { removed, kept };
    /// Sets a key.
    void set(std::string_view key, std::string_view text, expiry old = expiry::removed);
    /// Erases a key. Returns whether it existed.
    bool erase(std::string_view key);
    void clear();

    /// Sets the expiry of an existing key.
    void expire_at(std::string_view key, eddy::time::time_point deadline);
    /// Removes the expiry of a key. Returns whether it had one.
    bool persist(std::string_view key);
    /// Returns the expiry of a key, or nullopt if it has none.
    [[nodiscard]] std::optional<eddy::time::time_point> deadline_of(std::string_view key);

    /// Returns a number that differs after each change of the key; 0 if there is no such key.
    [[nodiscard]] std::uint64_t revision_of(std::string_view key);
    /// Gives the key a new revision. Call it after a change of the value that find_as() or make_as() has returned.
    void touch(std::string_view key);

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    /// Returns the number of keys with an expiry.
    [[nodiscard]] std::size_t expiring() const noexcept { return expiring_.size(); }

    /// Erases expired keys. It never ends. Run it in one task.
    [[nodiscard]] eddy::task<void> expire_keys();

private:
    struct entry {
        stored_value what;
        std::optional<eddy::time::delay_key> expiry;
        std::uint64_t revision = 0;

        template <class... A>
        explicit entry(A&&... args) : what(std::forward<A>(args)...) {}
    };
    using entries = text_map<entry>;

    [[nodiscard]] entries::iterator find_entry(std::string_view key);
    void remove_expiry(entry& of);
    void erase_entry(entries::iterator at);

    entries entries_;
    eddy::time::delay_queue<std::string> expiring_;
    eddy::sync::notify has_expiring_;
    std::uint64_t revision_ = 0;
};

// ---- Implementation ----

template <class T>
std::expected<T*, fault> database::find_as(std::string_view key) {
    stored_value* const found = find(key);
    if (found == nullptr) return nullptr;
    if (T* const is = std::get_if<T>(found)) return is;
    return std::unexpected(fault::wrong_type);
}

template <class T>
std::expected<T*, fault> database::make_as(std::string_view key) {
    auto found = find_as<T>(key);
    if (!found || *found != nullptr) return found;
    return &std::get<T>(entries_.try_emplace(std::string(key), std::in_place_type<T>).first->second.what);
}

}  // namespace mini_redis
