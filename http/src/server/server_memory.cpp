// SPDX-License-Identifier: MIT
#include "server/server_memory.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <mutex>
#include <new>
#include <ranges>

#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/time/sleep.hpp>

#include "message/address_key.hpp"
#include "sys/trim_heap.hpp"

namespace eddy::detail {

// ---- A connection ----

memory_holder::~memory_holder() {
    if (memory_ != nullptr) memory_->leave(*this);
}

bool memory_holder::poll_dropped(context& cx) {
    if (shares_ == 0) return false;
    waker mine;  // copied and destroyed without the lock
    for (const bool has_copy : {false, true}) {
        if (has_copy) mine = cx.waker();
        const std::lock_guard guard(memory_->lock_);
        if (std::exchange(has_dropped_, false)) return true;
        if (task_.will_wake(cx.waker())) return false;
        if (has_copy) task_.swap(mine);
    }
    return false;
}

// ---- A response ----

void response_share::begin_wait(time::time_point now) noexcept {
    if (!has_memory() || unread_since_.load(std::memory_order_relaxed) != never.time_since_epoch().count()) return;
    sent_ = 0;
    const auto since = has_progressed_ ? now : always;
    unread_since_.store(since.time_since_epoch().count(), std::memory_order_relaxed);
}

void response_share::has_sent(std::size_t bytes, bool has_more, time::time_point now) noexcept {
    if (!has_memory()) return;
    sent_ += bytes;
    has_progressed_ = has_progressed_ || bytes != 0;
    if (has_more && sent_ < least_progress) return;
    sent_ = 0;
    unread_since_.store((has_more ? now : never).time_since_epoch().count(), std::memory_order_relaxed);
}

bool response_share::is_unread(time::time_point now) const noexcept {
    const time::time_point since(time::duration(unread_since_.load(std::memory_order_relaxed)));
    return since == always || (since != never && now - since >= patience);
}

bool response_share::take_drop() noexcept {
    if (!has_memory()) return false;
    const std::lock_guard guard(holder_->memory_->lock_);
    if (!is_dropped_) return false;
    --std::exchange(holder_, nullptr)->shares_;
    return true;
}

void response_share::end() noexcept {
    auto* const by = std::exchange(holder_, nullptr);
    if (by == nullptr) return;
    --by->shares_;
    auto& memory = *by->memory_;
    {
        const std::lock_guard guard(memory.lock_);
        if (is_dropped_) return;
        memory.remove(*this, by->client_->second);
        if (memory.will_trim_ || !memory.has_fallen()) return;
        memory.will_trim_ = true;
    }
    memory.begin_trim();
}

// ---- All of them ----

bool server_memory::take(response_share& one, memory_holder& by, const std::optional<net::socket_addr>& peer,
                         std::size_t bytes, std::size_t limit) noexcept try {
    if (bytes > limit) return false;
    for (;;) {
        waker dropped;  // woken without the lock, because that may run user-provided code
        {
            const std::lock_guard guard(lock_);
            if (by.memory_ == nullptr) join(by, peer);
            if (used_ <= limit - bytes) {
                add(one, by, bytes);
                return true;
            }
            auto* const victim = find_victim(by.client_->second, bytes);
            if (victim == nullptr) return false;
            dropped = drop(*victim);
        }
        std::move(dropped).wake();
    }
} catch (const std::bad_alloc&) {
    return false;
}

bool server_memory::take_window(memory_holder& by, const std::optional<net::socket_addr>& peer, std::size_t bytes,
                                std::size_t limit) noexcept try {
    const std::lock_guard guard(lock_);
    if (by.memory_ == nullptr) join(by, peer);
    auto& own = by.client_->second.windows;
    const auto left = limit > windows_ ? limit - windows_ : 0;
    if (bytes > left || own > left - bytes) return false;
    by.windows_ += bytes;
    own += bytes;
    windows_ += bytes;
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

void server_memory::give_back_window(memory_holder& by, std::size_t bytes) noexcept {
    const std::lock_guard guard(lock_);
    by.windows_ -= bytes;
    by.client_->second.windows -= bytes;
    windows_ -= bytes;
}

std::size_t server_memory::used() const noexcept {
    const std::lock_guard guard(lock_);
    return used_;
}

std::size_t server_memory::clients() const noexcept {
    const std::lock_guard guard(lock_);
    return clients_.size();
}

void server_memory::join(memory_holder& by, const std::optional<net::socket_addr>& peer) {
    const auto [client, is_new] = clients_.try_emplace(address_key(peer));
    try {
        if (is_new) by_size_.emplace(0, &client->second);
    } catch (...) {
        clients_.erase(client);
        throw;
    }
    ++client->second.holders;
    by.client_ = client;
    by.memory_ = this;
}

void server_memory::leave(memory_holder& by) noexcept {
    give_back_window(by, by.windows_);
    const std::lock_guard guard(lock_);
    auto& client = by.client_->second;
    if (--client.holders != 0) return;
    by_size_.erase({client.bytes, &client});
    clients_.erase(by.client_);
}

/// Changes the bytes of a client by `added`, which may be negative modulo 2^64.
void server_memory::change(memory_client& of, std::size_t added) noexcept {
    auto entry = by_size_.extract({of.bytes, &of});
    of.bytes += added;
    used_ += added;
    entry.value().first = of.bytes;
    by_size_.insert(std::move(entry));
}

void server_memory::add(response_share& one, memory_holder& by, std::size_t bytes) {
    auto& client = by.client_->second;
    client.shares.push_back(&one);  // first, because it may throw
    one.place_ = std::prev(client.shares.end());
    one.holder_ = &by;
    one.bytes_ = bytes;
    ++by.shares_;
    change(client, bytes);
    peak_ = std::max(peak_, used_);
}

void server_memory::remove(const response_share& one, memory_client& of) noexcept {
    of.shares.erase(one.place_);
    change(of, 0 - one.bytes_);
}

/// Returns the response that is dropped for `bytes` of the client `own`, or null.
response_share* server_memory::find_victim(const memory_client& own, std::size_t bytes) noexcept {
    const auto now = time::clock::now();
    int looks_left = most_looks;
    for (const auto& [size, client] : std::views::reverse(by_size_)) {
        auto& shares = client->shares;
        for (auto left = shares.size(); left != 0 && looks_left != 0; --left, --looks_left) {
            if (shares.front()->is_unread(now)) return shares.front();
            shares.splice(shares.end(), shares, shares.begin());  // the next search looks at the others first
        }
        if (client != &own && size > own.bytes + bytes) return shares.front();
        if (looks_left == 0 || size == 0) break;
    }
    return nullptr;
}

/// Returns the waker of the task that has the response.
waker server_memory::drop(response_share& one) noexcept {
    auto& by = *one.holder_;
    remove(one, by.client_->second);
    one.is_dropped_ = true;
    by.has_dropped_ = true;
    return std::exchange(by.task_, waker());
}

// ---- The end of a peak ----

/// Starts trim(), at the end of whose wait another one may be started.
void server_memory::begin_trim() noexcept try {
    const auto end_wait = [kept = shared_from_this()](server_memory* of) {
        const std::lock_guard guard(of->lock_);
        of->will_trim_ = false;
    };
    spawn_background(trim(std::shared_ptr<server_memory>(this, end_wait))).detach();
} catch (...) {  // no memory, or no executor: the next response that ends tries again
    const std::lock_guard guard(lock_);
    will_trim_ = false;
}

/// Returns freed memory to the system, once little of it has been in use for a while. The heap keeps it otherwise,
/// because small blocks that are still in use lie between the freed ones.
task<void> server_memory::trim(std::shared_ptr<server_memory> of) {
    for (bool is_high = true; is_high;) {
        {
            const std::lock_guard guard(of->lock_);
            of->peak_ = of->used_;
        }
        co_await time::sleep(trim_delay);
        const std::lock_guard guard(of->lock_);
        is_high = of->peak_ >= least_peak;
    }
    of.reset();
    auto trimming = spawn_blocking(sys::trim_heap);
    static_cast<void>(co_await trimming);
}

}  // namespace eddy::detail
