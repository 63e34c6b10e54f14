// SPDX-License-Identifier: MIT
#include <utility>
#include <vector>

#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using channel = eddy::sync::broadcast<std::uint64_t>;
using acknowledgements = eddy::sync::mpsc<std::uint64_t>;

constexpr std::size_t capacity = 1024;
constexpr std::uint64_t receivers = 8;
constexpr std::uint64_t batch = 512;

eddy::task<void> receive_batches(channel::receiver from, acknowledgements::sender done, std::uint64_t batches) {
    std::uint64_t expected = 0;
    for (std::uint64_t round = 0; round < batches; ++round) {
        for (std::uint64_t i = 0; i < batch; ++i) {
            const auto value = co_await from.recv();
            check(value == expected, "values arrive in order");
            ++expected;
        }
        const auto sent = co_await done.send(expected);
        check(sent.has_value(), "the sender waits for all");
    }
}

eddy::task<void> send_batches(channel::sender to, acknowledgements::receiver done, std::uint64_t batches) {
    std::uint64_t next = 0;
    for (std::uint64_t round = 0; round < batches; ++round) {
        for (std::uint64_t i = 0; i < batch; ++i) check(to.send(next++).has_value(), "there are receivers");
        for (std::uint64_t i = 0; i < receivers; ++i) {
            const auto received = co_await done.recv();
            check(received == next, "each receiver has received the batch");
        }
    }
}

eddy::task<void> broadcast_batches(std::uint64_t batches) {
    auto values = channel::channel(capacity);
    auto done = acknowledgements::channel(receivers);
    std::vector<eddy::join_handle<void>> handles;
    for (std::uint64_t i = 0; i < receivers; ++i) {
        handles.push_back(eddy::spawn(receive_batches(values.sender.subscribe(), done.sender, batches)));
    }
    handles.push_back(eddy::spawn(send_batches(std::move(values.sender), std::move(done.receiver), batches)));
    for (auto& handle : handles) {
        const auto joined = co_await handle;
        check(joined.has_value(), "all tasks succeed");
    }
}

}  // namespace

// ns per delivery from one sender to eight receivers, in batches that fit into the channel.
void broadcast_1x8(flavour where) {
    report("broadcast_1x8", where, "ns",
           run_root(where, warm_up_and_measure(&broadcast_batches, 400, 400 * batch * receivers)));
}

}  // namespace bench::rt
