// SPDX-License-Identifier: MIT
// A terminal in the browser: a page, and a WebSocket with the keys and the output of a shell in a pseudo terminal.
//     $ ./shell [127.0.0.1:8080 [PROGRAM [ARGUMENT...]]]     and open the address that it prints
//
// A client of this server can do all that its user can do. So the server listens on the loopback interface only, the
// address has a random token, and a WebSocket is for the page of this server only: the Origin must be its address. A
// page of another site, whose script can send requests to this computer, neither knows the token nor has that Origin.
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/process.hpp>
#include <eddy/ws.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

namespace http = eddy::http;
namespace net = eddy::net;
namespace process = eddy::process;
namespace ws = eddy::ws;
using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;

// A screen that knows "\r", "\b" and new lines, which is enough for TERM=dumb. Binary messages are keys and output. A
// text message is the size of the window: "24 80".
constexpr const char* page = R"(<!doctype html><meta charset=utf-8><title>Shell</title>
<style>
html, body { height: 100%; margin: 0; background: #111; color: #ddd }
#view { height: 100%; margin: 0; padding: 4px; box-sizing: border-box; overflow: auto; font: 15px/18px monospace;
          white-space: pre-wrap; word-break: break-all; outline: none }
#cursor { background: #ddd; color: #111 }
</style>
<pre id=view tabindex=0><span id=done></span><span id=before></span><span id=cursor> </span><span id=after></span></pre>
<script>
const socket = new WebSocket(location.href.replace(/^http/, "ws") + "socket");
socket.binaryType = "arraybuffer";
let line = [], column = 0;

function show(text) {
    for (const c of text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "")) {
        if (c == "\n") {
            done.append(line.join("") + "\n");
            line = [], column = 0;
        } else if (c == "\r") column = 0;
        else if (c == "\b") column = Math.max(0, column - 1);
        else if (c >= " ") line[column++] = c;
    }
    before.textContent = line.slice(0, column).join("");
    cursor.textContent = line[column] ?? " ";
    after.textContent = line.slice(column + 1).join("");
    view.scrollTop = view.scrollHeight;
}

const decoder = new TextDecoder();
socket.onmessage = event => show(decoder.decode(event.data, {stream: true}));
socket.onclose = event => show("\r\n[closed: " + event.code + "]\r\n");
const send = keys => socket.readyState == 1 && socket.send(new TextEncoder().encode(keys));

function resize() {
    const box = view.getBoundingClientRect(), width = cursor.getBoundingClientRect().width || 9;
    socket.send(Math.max(2, Math.floor((box.height - 8) / 18)) + " " + Math.max(2, Math.floor((box.width - 8) / width)));
}
socket.onopen = () => { resize(); window.onresize = resize; view.focus(); };

const keys = {Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B",
              ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D"};
view.onkeydown = event => {
    if (event.metaKey || event.altKey) return;
    const key = event.key;
    if (event.ctrlKey && /^[a-z[\]\\]$/.test(key)) {
        if (key == "v") return;  // pastes
        send(String.fromCharCode(key.toUpperCase().charCodeAt(0) & 31));
    } else if (key in keys) send(keys[key]);
    else if ([...key].length == 1 && !event.ctrlKey) send(key);
    else return;
    event.preventDefault();
};
view.onpaste = event => send(event.clipboardData.getData("text").replace(/\r?\n/g, "\r"));
</script>)";

// docs: terminal
task<result<void>> to_browser(process::terminal& screen, ws::sender browser) {
    std::array<char, 16 * 1024> output;
    for (;;) {
        const auto count = co_await try_(screen.read(output));
        if (count == 0) co_return eddy::ok();
        co_await try_(browser.send(eddy::bytes(std::string(output.data(), count))));
    }
}

result<void> resize(process::terminal& screen, std::string_view rows_and_columns) {
    process::window_size size;
    const char* const end = rows_and_columns.data() + rows_and_columns.size();
    const auto rows = std::from_chars(rows_and_columns.data(), end, size.rows);
    if (rows.ec == std::errc() && rows.ptr != end) {
        const auto columns = std::from_chars(rows.ptr + 1, end, size.columns);
        if (columns.ec == std::errc() && columns.ptr == end) return screen.resize(size);
    }
    return std::unexpected(std::make_error_code(std::errc::invalid_argument));
}

task<result<void>> from_browser(ws::receiver browser, process::terminal& screen) {
    for (;;) {
        const auto message = co_await try_(browser.receive());  // ws::errc::closed when the browser leaves
        if (message.is_text()) {
            co_await try_(resize(screen, message.text()));
        } else {
            co_await try_(screen.write_all(message.text()));
        }
    }
}

/// Ends some time after the process: others that it has started may have the terminal open for ever.
task<result<void>> end_of(const process::child& shell) {
    static_cast<void>(co_await try_(shell.wait()));
    co_await eddy::time::sleep(1s);
    co_return eddy::ok();
}

task<result<void>> serve_shell(process::command program, ws::connection socket) {
    auto screen = co_await try_(process::terminal::open());
    auto shell = co_await try_(screen.spawn(std::move(program)));
    auto [sender, receiver] = std::move(socket).split();
    const auto ended = co_await eddy::race(to_browser(screen, std::move(sender)),
                                           from_browser(std::move(receiver), screen), end_of(shell));
    eddy::drop(std::move(screen));  // hangs up; a shell tells its jobs
    static_cast<void>(co_await eddy::time::timeout(2s, shell.wait()));
    co_return ended;
}
// docs: end

/// Returns 128 random bits.
std::string make_token() {
    std::random_device random;  // of the operating system
    std::string token;
    for (int i = 0; i < 4; ++i) {
        std::array<char, 9> digits{};
        std::snprintf(digits.data(), digits.size(), "%08x", static_cast<unsigned>(random()));
        token += digits.data();
    }
    return token;
}

task<result<void>> run_server(net::socket_addr where, process::command program) {
    const auto end = co_await try_(eddy::signal::shutdown_token());
    auto listener = co_await try_(net::tcp_listener::bind(where));
    const auto origin = "http://" + listener.local_addr().value().to_string();
    const auto path = "/" + make_token() + "/";
    std::printf("open %s%s\n", origin.c_str(), path.c_str());
    std::fflush(stdout);

    http::router app;
    app.get(path, [](http::request) -> task<http::response> {
        auto answer = http::response::of_type("text/html", page);
        answer.headers.set("Referrer-Policy", "no-referrer");
        answer.headers.set("Cache-Control", "no-store");
        co_return answer;
    });
    // docs: origin
    const auto start = [program](ws::connection socket) { return serve_shell(program, std::move(socket)); };
    app.get(path + "socket", [origin, start](http::request asked) -> task<http::response> {
        // ws::accept() compares the Origin with the Host, which is not enough here: a name of another site may lead to
        // 127.0.0.1, and programs that are not browsers send no Origin.
        if (asked.headers.get("Origin") != origin) co_return http::response(http::status::forbidden);
        co_return ws::accept(std::move(asked), start);
    });
    // docs: end
    co_await try_(http::serve(std::move(listener), app, http::serve_options().shutdown(end)));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    process::command program(argc > 2 ? argv[2] : "bash");
    program.args(std::vector<std::string>(argv + (argc > 3 ? 3 : argc), argv + argc)).env("TERM", "dumb");
    const auto where = net::socket_addr::parse(argc > 1 ? argv[1] : "127.0.0.1:8080");
    if (!where || !where->ip().is_loopback()) {
        std::fputs("shell: the address must be one of the loopback interface, for example 127.0.0.1:8080\n", stderr);
        return 2;
    }
    const auto ended = eddy::core().run(run_server(*where, program));
    if (!ended) std::fprintf(stderr, "shell: %s\n", ended.error().message().c_str());
    return ended ? 0 : 1;
}
