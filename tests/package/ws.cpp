// SPDX-License-Identifier: MIT
// A user's program with eddy::ws: refuses a request that is not one for a WebSocket.
#include <eddy/ws.hpp>

#include <utility>

int main() {
    eddy::http::request plain(eddy::http::method::get, "/");
    const auto answer = eddy::ws::accept(std::move(plain), [](eddy::ws::connection) -> eddy::task<void> { co_return; });
    return answer.status == eddy::http::status::upgrade_required ? 0 : 1;
}
