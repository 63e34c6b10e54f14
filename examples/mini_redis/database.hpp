// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <eddy/sync/notify.hpp>
#include <eddy/task.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/delay_queue.hpp>

#include "fault.hpp"
#include "value.hpp"

namespace mini_redis {

/// The keys, their values, and when they expire. All of it is used on one loop, and no command waits while it runs: so
/// there are no locks, and each command sees and leaves the whole in order.
///
/// A key that has expired is gone for whoever asks, at once; its memory is given back by expire_keys().
class database {
public:
    /// The value of a key; null if there is none.
    [[nodiscard]] stored_value* find(std::string_view key);
    /// The same for a value of the type T; null if there is none.
    template <class T>
    [[nodiscard]] std::expected<T*, fault> find_as(std::string_view key);
    /// The value of a key, which is made if there is none.
    template <class T>
    [[nodiscard]] std::expected<T*, fault> make_as(std::string_view key);

    /// Sets a key, which then does not expire.
    void set(std::string_view key, std::string_view text);
    /// Whether it was there.
    bool erase(std::string_view key);
    void clear();

    /// The key, which is there, expires at `deadline`.
    void expire_at(std::string_view key, eddy::time::time_point deadline);
    /// When the key expires; nothing if it does not.
    [[nodiscard]] std::optional<eddy::time::time_point> deadline_of(std::string_view key);

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    /// How many of them expire.
    [[nodiscard]] std::size_t expiring() const noexcept { return expiring_.size(); }

    /// Erases each key when its time has come, for ever. One task does it.
    [[nodiscard]] eddy::task<void> expire_keys();

private:
    struct entry {
        stored_value what;
        std::optional<eddy::time::delay_key> expiry;

        template <class... A>
        explicit entry(A&&... args) : what(std::forward<A>(args)...) {}
    };
    using entries = text_map<entry>;

    [[nodiscard]] entries::iterator find_entry(std::string_view key);
    void persist(entry& of);
    void erase_entry(entries::iterator at);

    entries entries_;
    eddy::time::delay_queue<std::string> expiring_;
    eddy::sync::notify has_expiring_;
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
