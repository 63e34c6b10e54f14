// The errors before and after and_then do not convert to each other.
//
// expect-error: static assertion failed
// expect-error: eddy: the errors before and after and_then do not convert; use map_err on one of them
#include <eddy/future/ready.hpp>

#include <string>

int main() {
#ifdef EDDY_CONTROL
    using error = eddy::errc;
#else
    using error = std::string;
#endif
    static_cast<void>(eddy::ready(eddy::ok(1)).and_then([](int i) -> std::expected<int, error> { return i; }));
}
