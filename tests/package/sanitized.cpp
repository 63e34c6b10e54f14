// A program with AddressSanitizer and an installed eddy without it: objects that one of them allocates are freed by the
// other one.
#include <eddy/prelude.hpp>

namespace {

eddy::task<eddy::result<void>> look_up() {
    const auto found = co_await eddy::try_(eddy::net::lookup_host("localhost:80"));
    if (found.empty()) co_return std::unexpected(make_error_code(eddy::errc::no_address));
    co_return eddy::ok();
}

}  // namespace

int main() { return eddy::run(look_up()); }
