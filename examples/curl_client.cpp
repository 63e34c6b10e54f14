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
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using handle = std::unique_ptr<CURL, decltype([](CURL* easy) { curl_easy_cleanup(easy); })>;
using completion = eddy::completion<CURLcode>;

/// Transfers of libcurl. The handle is not thread-safe, so the object belongs to one event loop.
class transfers {
public:
    transfers()
        : events_([this](int fd, eddy::io::ready) { act(fd); }, [this] { act(CURL_SOCKET_TIMEOUT); }),
          multi_(curl_multi_init()) {
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, &events_);
        curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, &events_);
        curl_multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, on_timer);
    }

    /// Performs a transfer. If the future is dropped, the transfer is stopped.
    eddy::task<CURLcode> perform(CURL* easy) {
        auto [done, ended] = completion::make();
        curl_easy_setopt(easy, CURLOPT_PRIVATE, &done);
        const auto remove = [this](CURL* added) { curl_multi_remove_handle(multi_.get(), added); };
        const std::unique_ptr<CURL, decltype(remove)> added(easy, remove);
        curl_multi_add_handle(multi_.get(), easy);  // calls on_timer
        const auto code = co_await std::move(ended);
        co_return code.value();
    }

private:
    /// Continues the transfers of a socket, or those whose time is over. The mask is 0: curl finds out what is ready.
    void act(curl_socket_t fd) {
        int running = 0;
        curl_multi_socket_action(multi_.get(), fd, 0, &running);
        while (const CURLMsg* ended = curl_multi_info_read(multi_.get(), &running)) {
            completion::handler* done = nullptr;
            curl_easy_getinfo(ended->easy_handle, CURLINFO_PRIVATE, &done);
            (*done)(ended->data.result);
        }
    }
    static int on_socket(CURL*, curl_socket_t fd, int what, void* events, void*) {
        using eddy::io::interest;
        auto& watched = *static_cast<eddy::fd_callbacks*>(events);
        if (what == CURL_POLL_REMOVE) watched.unwatch(fd);
        if (what == CURL_POLL_IN) watched.watch(fd, interest::readable);
        if (what == CURL_POLL_OUT) watched.watch(fd, interest::writable);
        if (what == CURL_POLL_INOUT) watched.watch(fd, interest::readable | interest::writable);
        return 0;
    }
    static int on_timer(CURLM*, long milliseconds, void* events) {
        auto& timer = *static_cast<eddy::fd_callbacks*>(events);
        timer.clear_timer();
        if (milliseconds >= 0) timer.set_timer(std::chrono::milliseconds(milliseconds));
        return 0;
    }

    eddy::fd_callbacks events_;
    std::unique_ptr<CURLM, decltype([](CURLM* multi) { curl_multi_cleanup(multi); })> multi_;
};

/// Fetches a URL. Returns the line to print.
eddy::task<std::string> fetch(transfers& all, std::string url) {
    const handle easy(curl_easy_init());
    std::size_t size = 0;
    const auto count = +[](const char*, std::size_t, std::size_t n, void* sum) {
        *static_cast<std::size_t*>(sum) += n;
        return n;
    };
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &size);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, count);
    const CURLcode code = co_await all.perform(easy.get());
    if (code != CURLE_OK) co_return url + ": " + curl_easy_strerror(code);
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    co_return url + ": " + std::to_string(status) + ", " + std::to_string(size) + " bytes";
}

eddy::task<void> fetch_all(std::span<char*> urls) {
    transfers all;
    std::vector<eddy::task<std::string>> each;
    for (const char* url : urls) each.push_back(fetch(all, url));
    const auto lines = co_await eddy::join_all(std::move(each));
    for (const auto& line : lines) std::puts(line.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    eddy::core core;
    core.run(fetch_all(std::span(argv + 1, argv + argc)));
}
