// SPDX-License-Identifier: MIT
#pragma once

// Tutorial, chapter 5: a session of one client, with messages from other clients.

#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <eddy/codec/framed.hpp>
#include <eddy/future/try.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/select_loop.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/task/task.hpp>

#include "commands.hpp"
#include "resp.hpp"
#include "store.hpp"

namespace tutorial {

// docs: channels
using messages = eddy::sync::broadcast<std::string>;

/// The channels of PUBLISH and SUBSCRIBE, by name. Any thread may call its functions.
class channels {
public:
    messages::receiver subscribe(const std::string& name) {
        const std::scoped_lock lock(mutex_);
        return senders_.try_emplace(name, 64).first->second.subscribe();  // keeps the 64 latest messages
    }
    /// Returns how many clients will receive the text.
    std::size_t publish(const std::string& name, std::string text) {
        const std::scoped_lock lock(mutex_);
        const auto found = senders_.find(name);
        if (found == senders_.end()) return 0;
        return found->second.send(std::move(text)).value_or(0);
    }

private:
    std::mutex mutex_;
    std::map<std::string, messages::sender> senders_;
};
// docs: end

/// The state that all sessions share.
struct server_state {
    std::shared_ptr<store> data = std::make_shared<store>();
    tutorial::channels channels;
};

// docs: deliver
/// Sends the messages of a channel to a client, until the client sends something or leaves.
template <class Requests>
eddy::task<eddy::result<void>> deliver(Requests& requests, std::string name, messages::receiver from) {
    using eddy::flow;
    using eddy::on;
    using eddy::try_;
    co_await try_(requests.send(message_reply("subscribe", name, "1")));
    const auto pass_on =
        [&](std::expected<std::string, eddy::sync::broadcast_error> text) -> eddy::task<eddy::result<flow>> {
        if (!text && text.error().is_closed()) co_return flow::stop;
        if (!text) co_return flow::next;  // the client was too slow, and has missed messages
        co_await try_(requests.send(message_reply("message", name, *text)));
        co_return flow::next;
    };
    co_return co_await eddy::select_loop(on([&] { return from.recv(); }, pass_on),
                                         on([&] { return requests.next(); }, [](auto) { return flow::stop; }));
}
// docs: end

// docs: talk
/// Serves one client, over any kind of connection.
template <class Stream>
eddy::task<eddy::result<void>> talk(Stream client, std::shared_ptr<server_state> server) {
    using eddy::try_;
    eddy::codec::framed requests(std::move(client), resp_codec());
    while (auto words = co_await try_(requests.try_next())) {
        if (words->size() == 2 && words->front() == "SUBSCRIBE") {
            auto from = server->channels.subscribe(words->back());
            co_return co_await deliver(requests, words->back(), std::move(from));
        }
        std::string reply;
        if (words->size() == 3 && words->front() == "PUBLISH")
            reply = number_reply(server->channels.publish((*words)[1], (*words)[2]));
        else
            reply = answer(*server->data, *words);
        co_await try_(requests.send(reply));
    }
    co_return eddy::ok();
}
// docs: end

}  // namespace tutorial
