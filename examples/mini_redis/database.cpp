// SPDX-License-Identifier: MIT
#include "database.hpp"

namespace mini_redis {

stored_value* database::find(std::string_view key) {
    const auto at = find_entry(key);
    return at == entries_.end() ? nullptr : &at->second.what;
}

void database::set(std::string_view key, std::string_view text, expiry old_expiry) {
    const auto at = find_entry(key);
    if (at == entries_.end()) {
        const auto made = entries_.try_emplace(std::string(key), std::in_place_type<std::string>, text).first;
        made->second.revision = ++revision_;
        return;
    }
    at->second.revision = ++revision_;
    if (old_expiry == expiry::removed) remove_expiry(at->second);
    if (auto* const old = std::get_if<std::string>(&at->second.what)) {
        old->assign(text);  // reuses its memory if possible
    } else {
        at->second.what.emplace<std::string>(text);
    }
}

bool database::erase(std::string_view key) {
    const auto at = find_entry(key);
    if (at == entries_.end()) return false;
    erase_entry(at);
    return true;
}

void database::clear() {
    entries_.clear();
    expiring_.clear();
}

void database::expire_at(std::string_view key, eddy::time::time_point deadline) {
    const auto at = find_entry(key);
    if (at == entries_.end()) return;
    at->second.revision = ++revision_;
    if (at->second.expiry) {
        expiring_.reset_at(*at->second.expiry, deadline);
        return;
    }
    at->second.expiry = expiring_.insert_at(std::string(key), deadline);
    has_expiring_.notify_one();
}

std::optional<eddy::time::time_point> database::deadline_of(std::string_view key) {
    const auto at = find_entry(key);
    if (at == entries_.end() || !at->second.expiry) return std::nullopt;
    return expiring_.deadline(*at->second.expiry);
}

bool database::persist(std::string_view key) {
    const auto at = find_entry(key);
    if (at == entries_.end() || !at->second.expiry) return false;
    remove_expiry(at->second);
    at->second.revision = ++revision_;
    return true;
}

std::uint64_t database::revision_of(std::string_view key) {
    const auto at = find_entry(key);
    return at == entries_.end() ? 0 : at->second.revision;
}

void database::touch(std::string_view key) {
    const auto at = find_entry(key);
    if (at != entries_.end()) at->second.revision = ++revision_;
}

eddy::task<void> database::expire_keys() {
    for (;;) {
        // The stream ends when no key has an expiry, and continues when such a key is inserted.
        while (auto gone = co_await expiring_.next()) entries_.erase(gone->value);
        co_await has_expiring_.notified();
    }
}

/// Finds an entry that has not expired. Checks the deadline, since expire_keys() may run late. Erases an expired entry.
database::entries::iterator database::find_entry(std::string_view key) {
    const auto at = entries_.find(key);
    if (at == entries_.end() || !at->second.expiry) return at;
    if (expiring_.deadline(*at->second.expiry) > eddy::time::clock::now()) return at;
    erase_entry(at);
    return entries_.end();
}

void database::remove_expiry(entry& of) {
    if (of.expiry) expiring_.remove(*of.expiry);
    of.expiry.reset();
}

void database::erase_entry(entries::iterator at) {
    remove_expiry(at->second);
    entries_.erase(at);
}

}  // namespace mini_redis
