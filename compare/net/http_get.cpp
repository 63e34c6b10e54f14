// SPDX-License-Identifier: MIT

// The program of the group `compile` that calls http::get(). It is compiled, and never run.

#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <cstdio>

namespace {

eddy::task<eddy::result<void>> print(const char* url) {
    auto page = co_await eddy::try_(eddy::http::get(url));
    const auto text = co_await eddy::try_(page.body.read_text());
    std::printf("%d\n%s\n", eddy::http::to_int(page.status), text.c_str());
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    return eddy::run(print(argv[1])) ? 0 : 1;
}
