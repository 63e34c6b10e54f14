// SPDX-License-Identifier: MIT
// The C library libcurl on an event loop: fetches all URLs at the same time.
// curl's multi-socket interface makes the system calls, and eddy waits for its sockets and its timer.
//     $ ./curl_client http://127.0.0.1:8080/notes/monday https://example.org/          (needs libcurl4-openssl-dev)
//     http://127.0.0.1:8080/notes/monday: 200, 7 bytes
//     https://example.org/: 200, 1256 bytes
#include <eddy/interop.hpp>
#include <eddy/prelude.hpp>

#include <curl/curl.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace io = eddy::io;
namespace time = eddy::time;
using eddy::task;

/// Transfers of libcurl. The handle is not thread-safe, so the object belongs to one event loop.
class curl {
public:
    struct response {
        CURLcode error = CURLE_OK;
        long status = 0;
        std::string body;

        response() {}
    };

    curl() : multi_(curl_multi_init()) {
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, on_timer);
        tasks_.spawn([this] { return drive(); });
    }

    /// Fetches a URL. If the future is dropped, the transfer goes on, and its response is lost.
    task<eddy::result<response>> get(const std::string& url) {
        auto [done, answer] = completion::make();
        CURL* const easy = curl_easy_init();
        auto& begun = transfers_[easy];
        begun.easy.reset(easy);
        begun.done.emplace(std::move(done));
        curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &begun.got.body);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_multi_add_handle(multi_.get(), easy);  // calls on_timer, which wakes drive()
        co_return co_await std::move(answer);
    }

private:
    using completion = eddy::completion<response>;
    struct free_easy {
        void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
    };
    struct free_multi {
        void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
    };
    struct transfer {
        std::unique_ptr<CURL, free_easy> easy;
        response got;
        std::optional<completion::handler> done;

        transfer() {}
    };
    struct watched_socket {
        io::async_fd<io::fd_view> socket;
        io::interest wanted;

        watched_socket(curl_socket_t fd, io::interest interest) : socket(io::fd_view(fd)), wanted(interest) {}
    };

    /// Waits until a socket is ready, curl's timer fires, or a callback has changed something. All waits end before
    /// curl is called, because curl may close any of the sockets.
    task<void> drive() {
        for (;;) {
            const int ready = co_await next_event();
            int running = 0;
            const curl_socket_t fd = ready < 0 ? CURL_SOCKET_TIMEOUT : ready;
            curl_multi_socket_action(multi_.get(), fd, 0, &running);  // 0: curl itself finds out what is ready
            int left = 0;
            while (const CURLMsg* ended = curl_multi_info_read(multi_.get(), &left)) finish(*ended);
        }
    }

    /// Returns a socket that is ready, or -1.
    task<int> next_event() {
        const auto level = [](int fd, watched_socket& of) -> task<int> {
            static_cast<void>(co_await of.socket.wait(of.wanted));
            co_return fd;
        };
        std::vector<task<int>> waits;
        waits.push_back(until_timer());
        for (auto& [fd, of] : sockets_) waits.push_back(level(fd, of));
        auto first = co_await eddy::select_all(std::move(waits));
        co_return first.output;
    }
    task<int> until_timer() {
        auto changed = changed_.notified();
        const auto deadline = timer_.value_or(time::time_point::max());
        const auto event = co_await eddy::select_biased(std::ref(changed), time::sleep_until(deadline));
        if (event.index() == 1) timer_.reset();
        co_return -1;
    }

    void finish(const CURLMsg& ended) {
        CURL* const easy = ended.easy_handle;
        auto done = transfers_.extract(easy);
        response& got = done.mapped().got;
        got.error = ended.data.result;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &got.status);
        curl_multi_remove_handle(multi_.get(), easy);
        (*done.mapped().done)(std::move(got));
    }

    // The callbacks of curl.
    static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
        auto& sockets = static_cast<curl*>(self)->sockets_;
        sockets.erase(fd);
        if (what == CURL_POLL_IN) sockets.try_emplace(fd, fd, io::interest::readable);
        if (what == CURL_POLL_OUT) sockets.try_emplace(fd, fd, io::interest::writable);
        if (what == CURL_POLL_INOUT) sockets.try_emplace(fd, fd, io::interest::readable | io::interest::writable);
        return 0;
    }
    static int on_timer(CURLM*, long milliseconds, void* self) {
        auto& timer = static_cast<curl*>(self)->timer_;
        timer.reset();
        if (milliseconds >= 0) timer = time::clock::now() + std::chrono::milliseconds(milliseconds);
        static_cast<curl*>(self)->changed_.notify_one();
        return 0;
    }
    static std::size_t on_body(const char* data, std::size_t, std::size_t size, void* body) {
        static_cast<std::string*>(body)->append(data, size);
        return size;
    }

    std::map<curl_socket_t, watched_socket> sockets_;
    std::optional<time::time_point> timer_;
    eddy::sync::notify changed_;
    std::unique_ptr<CURLM, free_multi> multi_;
    std::map<CURL*, transfer> transfers_;
    eddy::task_owner tasks_;  // declared last, so that no task uses the other members while they are destroyed
};

task<void> fetch_all(std::vector<std::string> urls) {
    curl transfers;
    std::vector<task<eddy::result<curl::response>>> all;
    for (const auto& url : urls) all.push_back(transfers.get(url));
    const auto responses = co_await eddy::join_all(std::move(all));
    for (std::size_t i = 0; i < urls.size(); ++i) {
        const curl::response& got = responses[i].value();
        if (got.error == CURLE_OK) {
            std::printf("%s: %ld, %zu bytes\n", urls[i].c_str(), got.status, got.body.size());
        } else {
            std::printf("%s: %s\n", urls[i].c_str(), curl_easy_strerror(got.error));
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    eddy::core core;
    core.run(fetch_all(std::vector<std::string>(argv + 1, argv + argc)));
}
