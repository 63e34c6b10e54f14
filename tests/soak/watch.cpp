// SPDX-License-Identifier: MIT
#include "watch.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include <eddy/task/dump_tasks.hpp>

namespace soak {
namespace {

constexpr std::uint64_t progress_ticks = 50;  // between two lines of counts
constexpr std::size_t most_lines = 60;        // of a list in a dump

/// Prints the queues of the sockets of these ports: bytes that the peer has not taken, and bytes that were not read.
void print_queues(const std::vector<unsigned>& ports) {
    std::ifstream table("/proc/net/tcp");
    std::string line;
    std::getline(table, line);
    std::size_t printed = 0;
    while (std::getline(table, line) && printed < most_lines) {
        std::istringstream fields(line);
        std::string number, local, remote, state, queues;
        fields >> number >> local >> remote >> state >> queues;
        const auto port_of = [](const std::string& address) {
            return static_cast<unsigned>(std::strtoul(address.substr(address.find(':') + 1).c_str(), nullptr, 16));
        };
        const bool is_ours = std::ranges::find(ports, port_of(local)) != ports.end() ||
                             std::ranges::find(ports, port_of(remote)) != ports.end();
        const auto unsent = std::strtoul(queues.c_str(), nullptr, 16);
        const auto unread = std::strtoul(queues.substr(queues.find(':') + 1).c_str(), nullptr, 16);
        if (!is_ours || (unsent == 0 && unread == 0)) continue;
        ++printed;
        std::fprintf(stderr, "  socket %u -> %u, state %s: %lu bytes unsent, %lu bytes unread\n", port_of(local),
                     port_of(remote), state.c_str(), unsent, unread);
    }
}

}  // namespace

const char* name_of(layer which) noexcept {
    constexpr std::array<const char*, counted_layers> names = {"tls",
                                                               "http1",
                                                               "https1",
                                                               "http2",
                                                               "https2",
                                                               "ws",
                                                               "wss",
                                                               "pipelined",
                                                               "multiplexed",
                                                               "pipelined_bodies",
                                                               "multiplexed_bodies",
                                                               "contents",
                                                               "trees",
                                                               "changes",
                                                               "programs"};
    return names.at(static_cast<std::size_t>(which));
}

// ---- operation ----

operation::operation(layer of, const char* side, std::uint64_t id, std::string what)
    : of_(of), side_(side), id_(id), what_(std::move(what)), begun_(watch::get().tick()), last_(begun_) {
    auto& all = watch::get();
    const std::lock_guard guard(all.lock_);
    all.operations_.insert(this);
}

operation::~operation() {
    auto& all = watch::get();
    const std::lock_guard guard(all.lock_);
    all.operations_.erase(this);
}

void operation::doing(const char* step) noexcept {
    step_.store(step, std::memory_order_relaxed);
    last_.store(watch::get().tick(), std::memory_order_relaxed);
}

void operation::moved(std::size_t bytes) noexcept {
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    watch::get().counts_.at(static_cast<std::size_t>(of_)).bytes.fetch_add(bytes, std::memory_order_relaxed);
    last_.store(watch::get().tick(), std::memory_order_relaxed);
}

void operation::pause(bool begins) noexcept {
    pauses_.fetch_add(begins ? 1 : -1, std::memory_order_relaxed);
    last_.store(watch::get().tick(), std::memory_order_relaxed);
}

void operation::end(outcome how) noexcept {
    auto& of_layer = watch::get().counts_.at(static_cast<std::size_t>(of_));
    switch (how) {
    case outcome::done: ++of_layer.done; break;
    case outcome::dropped: ++of_layer.dropped; break;
    case outcome::excused: ++of_layer.excused; break;
    }
}

std::string operation::text() const {
    const auto seconds = [](std::uint64_t ticks) {
        return std::to_string(ticks / 10) + "." + std::to_string(ticks % 10);
    };
    const auto now = watch::get().tick();
    return std::string(name_of(of_)) + " " + side_ + " " + std::to_string(id_) + ": " + what_ + "; " + step_.load() +
           ", " + std::to_string(bytes_.load()) + " bytes, for " + seconds(now - begun_) + " s, last progress " +
           seconds(now - std::min(now, last_.load())) + " s ago" + (pauses_.load() > 0 ? ", paused" : "");
}

// ---- watch ----

watch& watch::get() {
    static watch one;
    return one;
}

void watch::start(const limits& chosen) {
    limits_ = chosen;
    begun_ = std::chrono::steady_clock::now();
    thread_ = std::thread([this] { run(); });
}

void watch::stop() {
    {
        const std::lock_guard guard(lock_);
        is_stopping_ = true;
    }
    stops_.notify_all();
    thread_.join();
}

void watch::run() {
    for (;;) {
        {
            std::unique_lock guard(lock_);
            if (stops_.wait_for(guard, tick_length, [this] { return is_stopping_; })) return;
        }
        const auto now = ++tick_;
        look_for_stalls();
        if (!limits_.is_child && now % progress_ticks == 0) print_counts(false);
    }
}

void watch::look_for_stalls() {
    std::string stopped;
    {
        const std::lock_guard guard(lock_);
        for (const auto* const one : operations_) {
            if (one->pauses_.load() == 0 && tick() - std::min(tick(), one->last_.load()) >= limits_.stall_ticks)
                stopped += "\n  " + one->text();
        }
    }
    if (stopped.empty()) return;
    limits_.keeps_going = false;
    fail("operations have stopped:" + stopped);
}

void watch::set_episode(std::string text) {
    const std::lock_guard guard(lock_);
    episode_ = std::move(text);
}
void watch::set_ports(std::vector<unsigned> ports) {
    const std::lock_guard guard(lock_);
    ports_ = std::move(ports);
}
void watch::set_other_dump(std::function<void()> ask) {
    const std::lock_guard guard(lock_);
    other_dump_ = std::move(ask);
}

void watch::fail(const operation& which, const std::string& what) { fail(what + "\n  " + which.text()); }

void watch::fail(const std::string& what) {
    std::string episode;
    {
        const std::lock_guard guard(lock_);
        episode = episode_;
    }
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    std::fprintf(stderr, "soak: FAILED after %.1f s: %s\n  in %s\n", seconds, what.c_str(), episode.c_str());
    ++failures_;
    if (limits_.keeps_going) return;
    static std::mutex only_once;  // never released
    only_once.lock();
    dump();
    std::_Exit(1);
}

void watch::dump() {
    std::vector<std::string> lines;
    std::vector<unsigned> ports;
    std::function<void()> other;
    {
        const std::lock_guard guard(lock_);
        for (const auto* const one : operations_) lines.push_back(one->text());
        ports = ports_;
        other = other_dump_;
    }
    std::fprintf(stderr, "%zu operations of process %s:\n", lines.size(), limits_.is_child ? "server" : "client");
    for (std::size_t i = 0; i < std::min(most_lines, lines.size()); ++i)
        std::fprintf(stderr, "  %s\n", lines[i].c_str());
    print_queues(ports);
    std::fputs(eddy::dump_tasks().c_str(), stderr);
    if (other) other();
}

std::size_t watch::live() {
    const std::lock_guard guard(lock_);
    return operations_.size();
}

void watch::excuse(layer of, const std::string& error) {
    const std::lock_guard guard(lock_);
    excused_kinds_.insert(std::string(name_of(of)) + ": " + error);
}

std::uint64_t watch::done() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& each : counts_) sum += each.done.load();
    return sum;
}

void watch::print_counts(bool is_last) {
    std::string line;
    for (std::size_t i = 0; i < counted_layers; ++i) {
        const auto& of = counts_.at(i);
        if (of.done + of.dropped + of.excused == 0) continue;
        line += std::string("  ") + name_of(static_cast<layer>(i)) + " " + std::to_string(of.done.load()) + "/" +
                std::to_string(of.dropped.load()) + "/" + std::to_string(of.excused.load()) + " " +
                std::to_string(of.bytes.load() >> 20) + " MB";
    }
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    const std::lock_guard guard(lock_);
    std::fprintf(stderr, "%.0f s, done/dropped/excused:%s\n", seconds, line.c_str());
    if (!is_last) return;
    std::fprintf(stderr, "excused errors:\n");
    for (const auto& each : excused_kinds_) std::fprintf(stderr, "  %s\n", each.c_str());
}

}  // namespace soak
